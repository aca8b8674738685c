"""/ws/stream: a turn's events over a WebSocket, resumed at any place and at any process."""

import json
import signal

import anyio
import pytest
from websockets.exceptions import InvalidStatus

from tests.client import Client, new_session, numbered
from tests.integration.conftest import Shared, eventually
from tests.patience import PATIENCE_SECONDS
from tests.sockets import Event, close_code, open_socket, read, rest, text_of
from tests.stack import Stack
from tests.watching import TOKENS, held

pytestmark = pytest.mark.anyio


async def test_a_turn_from_its_start_and_once_it_is_over(client: Client, shared: Shared) -> None:
    session, model = new_session(), f"mock?tokens={TOKENS}&rate=40"
    await client.ask(session_id=session, model=model)
    live = await read(shared.apis[0].url, session)
    later = await read(shared.apis[1].url, session)
    assert text_of(live) == text_of(later) == numbered(TOKENS)
    assert live[-1] == later[-1]
    assert (live[-1]["type"], live[-1]["finish_reason"]) == ("done", "stop")
    assert [event for event in live if event.get("type") == "start"] == [
        {"id": "1.1.0", "type": "start", "turn": 1, "attempt": 1, "model": model, "provider": "openai"}
    ]


async def test_it_is_resumed_after_every_event_at_any_process(client: Client, shared: Shared) -> None:
    session = new_session()
    await client.ask(session_id=session, model=f"mock?tokens=12&rate=40&hold_after=4&id={session}")
    async with open_socket(shared.apis[0].url, f"/ws/stream/{session}") as socket:
        events: list[Event] = []
        for tokens in (4, 8, 12):
            while text_of(events) != numbered(tokens):
                events.append(json.loads(await socket.recv()))
            shared.stack.release(session, min(tokens + 4, 12))
        events += await rest(socket)
    ids = [event["id"] for event in events if "id" in event]
    assert len(ids) > 3
    for event_id in ids:
        seen = events[: events.index(next(event for event in events if event.get("id") == event_id)) + 1]
        for api in shared.apis:
            resumed = await read(api.url, session, last_event_id=event_id)
            assert text_of([*seen, *resumed]) == numbered(12)
            assert resumed[-1:] == ([] if event_id == ids[-1] else events[-1:])


async def test_a_client_that_comes_back_while_it_runs_misses_and_doubles_nothing(
    client: Client, shared: Shared
) -> None:
    """Every few events at the other process; one that stays sees the same."""
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=200&rate=100")
    staying: list[str] = []

    async def stay() -> None:
        staying.append(text_of(await read(shared.apis[1].url, session)))

    async with anyio.create_task_group() as viewers:
        viewers.start_soon(stay)
        seen: list[Event] = []
        last_id, number = "1.0.0", 0
        while not seen or seen[-1].get("type") != "done":
            path = f"/ws/stream/{session}"
            async with open_socket(shared.apis[number % 2].url, path, last_event_id=last_id) as socket:
                for _ in range(1 + number % 5):
                    seen.append(json.loads(await socket.recv()))
                    last_id = seen[-1].get("id", last_id)
                    if seen[-1].get("type") == "done":
                        break
            number += 1
    assert text_of(seen) == staying[0] == numbered(200)
    assert number > 1


async def test_a_turn_is_named_by_its_number(client: Client, shared: Shared) -> None:
    session = new_session()
    for number in (1, 2):
        await client.ask(session_id=session, model=f"mock?tokens={number}")
        await client.until(session, "done", number=number)
    assert text_of(await read(shared.apis[0].url, session, turn=1)) == numbered(1)
    assert text_of(await read(shared.apis[0].url, session)) == numbered(2)


async def test_a_failed_turn_ends_in_order_with_an_error_event(client: Client, shared: Shared) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?status=401")
    assert (await read(shared.apis[0].url, session))[-1]["code"] == "provider_error"


async def test_what_a_client_sends_is_passed_over_and_its_leaving_cancels_nothing(
    client: Client, shared: Shared
) -> None:
    session = new_session()
    await client.ask(session_id=session, model=f"mock?tokens={TOKENS}&rate=40")
    async with open_socket(shared.apis[0].url, f"/ws/stream/{session}") as socket:
        for message in ("hello", b"\0binary", '{"type":"stop"}'):
            await socket.send(message)
        assert json.loads(await socket.recv())
    turn = await client.until(session, "done")
    assert (turn["finish_reason"], turn["text"]) == ("stop", numbered(TOKENS))


async def test_a_message_that_is_too_large_closes_the_socket(client: Client, shared: Shared) -> None:
    session = new_session()
    await client.ask(session_id=session, model=held(session))
    async with open_socket(shared.apis[0].url, f"/ws/stream/{session}") as socket:
        await socket.send("x" * 600_000)
        assert await close_code(socket) == 1009
    shared.stack.release(session)
    await client.until(session, "done")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ws/stream/unknown", 4404),
        ("/ws/stream/unknown?turn=2", 4404),
        ("/ws/stream/a.b", 4422),
        ("/ws/stream/unknown?turn=0", 4422),
        ("/ws/stream/unknown?last_event_id=x", 4400),
        ("/ws/nowhere", 4404),
        ("/stream/unknown", 4404),
    ],
)
async def test_what_cannot_be_shown_is_refused_with_a_code(shared: Shared, path: str, code: int) -> None:
    """For those who know our subprotocol; others get the status of HTTP."""
    async with open_socket(shared.apis[0].url, path) as socket:
        assert socket.subprotocol == "hopstream.v1"
        assert await rest(socket) == []
        assert socket.close_code == code
        assert socket.close_reason
    with pytest.raises(InvalidStatus) as refused:
        await open_socket(shared.apis[0].url, path, protocols=())
    assert refused.value.response.status_code == code - 4000
    assert refused.value.response.headers["content-type"] == "application/problem+json"
    assert refused.value.response.headers["x-request-id"]
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


async def test_a_stopping_process_sends_its_clients_to_another_one(client: Client, shared: Shared) -> None:
    """At once, with all that they need to go on."""
    doomed = shared.stack.start_api()
    session, waiting = new_session(), new_session()
    await client.ask(session_id=session, model=held(session))
    await client.ask(session_id=waiting, model=f"mock?hang&id={waiting}")
    async with (
        open_socket(doomed.url, f"/ws/stream/{session}") as socket,
        open_socket(doomed.url, f"/ws/stream/{waiting}") as idle,
    ):
        events: list[Event] = []
        while len(text_of(events)) < 40:
            events.append(json.loads(await socket.recv()))
        doomed.signal(signal.SIGTERM)
        events += await rest(socket)
        others = await rest(idle)
        assert socket.close_code == idle.close_code == 1012
    assert events[-1]["type"] == others[-1]["type"] == "goaway"
    assert "id" not in events[-1]
    shared.stack.release(session)
    last_id = next(event["id"] for event in reversed(events) if "id" in event)
    resumed = await read(shared.apis[0].url, session, last_event_id=last_id)
    assert text_of([*events, *resumed]) == numbered(TOKENS)
    await client.cancel(waiting)
    await eventually(lambda: not doomed.alive)
    assert "Traceback" not in doomed.output()


async def test_a_running_direct_turn_is_not_to_be_watched(client: Client, shared: Shared) -> None:
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": held(session)}
    async with client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_until("chunk")
        async with open_socket(shared.apis[0].url, f"/ws/stream/{session}") as socket:
            assert await close_code(socket) == 4409
        shared.stack.release(session)
        await stream.rest()
    assert text_of(await read(shared.apis[1].url, session)) == numbered(TOKENS)


async def test_sockets_count_as_streams(stack: Stack) -> None:
    """Together with those over HTTP."""
    api = stack.start_api(MAX_STREAMS_PER_CLIENT="2")
    async with Client(api.url) as client:
        await client.ask(session_id=(session := new_session()), model="mock?tokens=2")
        path = f"/ws/stream/{session}"
        async with client.stream(session) as stream:
            await stream.read_until("queued")
            async with open_socket(api.url, path) as socket:
                assert json.loads(await socket.recv())["type"] == "queued"
                async with open_socket(api.url, path) as refused:
                    assert await close_code(refused) == 4429
                with pytest.raises(InvalidStatus) as raised:
                    await open_socket(api.url, path, protocols=())
                assert raised.value.response.status_code == 429
                assert raised.value.response.headers["retry-after"]
                assert (await client.http.get(f"/stream/{session}")).status_code == 429
            with anyio.fail_after(PATIENCE_SECONDS):  # it is given back as soon as the server has seen the end
                while (await _closes_with(api.url, path)) == 4429:
                    pass


async def _closes_with(url: str, path: str) -> int | None:
    """The code of one that is refused at once; None of one that is let in."""
    async with open_socket(url, path) as socket:
        with anyio.move_on_after(0.5):
            return await close_code(socket)
    return None
