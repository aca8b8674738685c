"""GET /stream goes on at the very next character after `Last-Event-ID`, wherever and whenever it is asked."""

import random
from collections.abc import Callable
from urllib.parse import quote

import anyio
import httpx
import pytest

from tests.client import Client, SseEvent, new_session, numbered, text_of, types_of
from tests.integration.conftest import Shared, assert_problem
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

BAD_EVENT_IDS = ["1", "1.1", "1.1.1.1", "a.b.c", "-1.1.1", "0.1.1", "1.1.-1", "1.1.1 2", "1.1.9999999999", "1,1,1"]


@pytest.fixture
async def finished(client: Client) -> str:
    """A session whose one turn is done."""
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=20&unicode")
    await client.until(session, "done")
    return session


async def test_a_finished_turn_from_every_position(client: Client, other_client: Client, finished: str) -> None:
    """A position counts characters, whatever their bytes: none is cut in two, none comes twice."""
    whole = text_of(await client.read(finished))
    assert any(ord(character) > 0xFFFF for character in whole)
    for position in range(0, len(whole), 7):
        events = await other_client.read(finished, f"1.1.{position}")
        assert text_of(events) == whole[position:]
        assert types_of(events) == ["done"]
        assert events[0].id == f"1.1.{len(whole)}"


async def test_by_query_or_by_header_which_goes_first(client: Client, finished: str) -> None:
    whole = text_of(await client.read(finished))
    assert text_of(await client.read(finished, last_event_id="1.1.5")) == whole[5:]
    response = await client.http.get(f"/stream/{finished}?last_event_id=1.1.5")
    assert response.text.count("id: ") == 2
    both = await client.http.get(f"/stream/{finished}?last_event_id=1.1.5", headers={"Last-Event-ID": "1.1.9"})
    assert both.text == (await client.http.get(f"/stream/{finished}?last_event_id=1.1.9")).text
    assert both.text != response.text


async def test_a_running_turn_here_and_there(client: Client, other_client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=40&rate=40&unicode")
    async with client.stream(session) as stream:
        head = await stream.read_chars(30)
    rests = [text_of(await on.read(session, stream.last_id)) for on in (other_client, client)]
    whole = (await client.turn(session))["text"]
    assert {head + rest for rest in rests} == {whole}


async def test_nothing_is_left_after_the_terminal_event(client: Client, finished: str) -> None:
    last_id = (await client.read(finished))[-1].id
    assert last_id is not None
    for query, headers in ((f"?last_event_id={last_id}", {}), ("", {"Last-Event-ID": last_id})):
        response = await client.http.get(f"/stream/{finished}{query}", headers=headers)
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["x-request-id"]
    turn, attempt, position = last_id.split(".")
    before_the_end = await client.read(finished, f"{turn}.{attempt}.{int(position) - 1}")
    assert [event.data["type"] for event in before_the_end] == ["done"]


async def test_an_id_of_a_lower_attempt_restarts(client: Client, shared: Shared) -> None:
    session = new_session()
    model = f"mock?tokens=20&rate=40&hold_after=8&drop_after=10&drop_times=1&id={session}"
    await client.ask(session_id=session, model=model)
    async with client.stream(session) as stream:
        await stream.read_until("chunk")
        shared.stack.release(session)
        await stream.read_until("restart")
        running = await client.read(session, "1.1.8")
    finished = await client.read(session, "1.1.8")
    for events in (running, finished):
        assert (events[0].id, events[0].data["type"], events[0].data["attempt"]) == ("1.2.0", "restart", 2)
        assert text_of(events) == numbered(20)
    assert running[0].data["reason"] == "provider_drop"


async def test_the_reason_of_a_restart_is_the_same_afterwards(client: Client) -> None:
    session = new_session()
    model = f"mock?tokens=20&drop_after=10&drop_times=1&id={session}"
    await client.ask(session_id=session, model=model)
    await client.until(session, "done")
    events = await client.read(session, "1.1.8")
    by = {"model": model, "provider": "openai"}
    assert events[0].data == {"type": "restart", "attempt": 2, "reason": "provider_drop", **by}


async def test_an_id_names_its_turn(client: Client, finished: str) -> None:
    """A client that comes back after the next turn was asked gets the rest of the turn that it was reading."""
    await client.ask(session_id=finished, model="mock?tokens=3")
    await client.until(finished, "done", number=2)
    first = await client.read(finished, turn=1)
    assert (first[0].id, first[0].data["turn"]) == ("1.1.0", 1)
    assert text_of(await client.read(finished)) == numbered(3)
    assert text_of(await client.read(finished, "1.1.5")) == text_of(first)[5:]
    mixed = await client.http.get(f"/stream/{finished}?turn=2&last_event_id=1.1.5")
    assert_problem(mixed, 400, "invalid_event_id")


async def test_a_malformed_id_is_named(client: Client, finished: str) -> None:
    def query(event_id: str) -> httpx.Request:
        return client.http.build_request("GET", f"/stream/{finished}?last_event_id={quote(event_id)}")

    def header(event_id: str) -> httpx.Request:
        return client.http.build_request("GET", f"/stream/{finished}", headers={"Last-Event-ID": event_id})

    makers: list[Callable[[str], httpx.Request]] = [query, header]
    for event_id in BAD_EVENT_IDS:
        for make in makers:
            problem = assert_problem(await client.http.send(make(event_id)), 400, "invalid_event_id")
            assert "Last-Event-ID" in problem["detail"]
    for event_id in ("1.1.1\n", "1.1.\u0661"):
        assert_problem(await client.http.send(query(event_id)), 400, "invalid_event_id")


async def test_an_id_beyond_the_end(client: Client, finished: str) -> None:
    end = len(text_of(await client.read(finished))) + 1
    for event_id in (f"1.1.{end + 1}", "1.1.999999999", "1.2.0"):
        response = await client.http.get(f"/stream/{finished}", headers={"Last-Event-ID": event_id})
        problem = assert_problem(response, 400, "invalid_event_id")
        assert f"Last-Event-ID {event_id}" in problem["detail"]
    assert_problem(await client.http.get(f"/stream/{finished}?last_event_id=2.1.0"), 404, "not_found")


@pytest.mark.parametrize("event_id", ["1.1.999999", "1.7.3"])
async def test_an_id_beyond_a_running_turn_still_comes_to_an_end(client: Client, event_id: str) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=20&rate=40")
    async with client.stream(session) as stream:
        await stream.read_until("chunk")
        with anyio.fail_after(PATIENCE_SECONDS):
            response = await client.http.get(f"/stream/{session}", headers={"Last-Event-ID": event_id})
        if response.status_code == 200:
            assert response.text.count('"type":"done"') == 1
        else:
            assert_problem(response, 400, "invalid_event_id")
        assert text_of(await stream.rest()) == numbered(20)


async def test_a_reader_that_reconnects_all_the_time(client: Client, other_client: Client) -> None:
    """After every few characters, on a process picked at random, it goes on at the very next one."""
    seed = random.randrange(1 << 30)
    pick = random.Random(seed)
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=60&rate=60&unicode")
    seen: list[SseEvent] = []
    last_id = None
    while not seen or seen[-1].data.get("type") != "done":
        async with pick.choice([client, other_client]).stream(session, last_id) as stream:
            enough = pick.randint(1, 4)
            async for _ in stream.events():
                if len(stream.seen) == enough:
                    break
        seen += stream.seen
        last_id = stream.last_id or last_id
    assert text_of(seen) == (await client.turn(session))["text"], f"seed {seed}"
