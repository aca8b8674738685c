"""POST /chat/{session_id}/cancel ends a turn within a second, upstream request and all, and does no other harm."""

import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Shared, assert_problem, eventually, mock_stats
from tests.patience import promised

pytestmark = pytest.mark.anyio

CANCEL_SECONDS = 1.0
SSE = "text/event-stream"


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_a_running_turn(client: Client, other_client: Client, shared: Shared, mode: str) -> None:
    """Asked of the process that does not stream it."""
    before = mock_stats(shared.stack)
    session = new_session()
    fields = {"session_id": session, "mode": mode, "model": "mock?tokens=2000&rate=50"}
    async with client.ask_streaming(accept=SSE, **fields) as stream:
        await stream.read_chars(30)
        with promised(CANCEL_SECONDS):
            response = await other_client.cancel(session)
            events = await stream.rest()
        assert mock_stats(shared.stack)["disconnects"] > before["disconnects"]
    assert response.status_code == 202
    assert response.json() == {"session_id": session, "turn": 1, "status": "running"}
    assert mock_stats(shared.stack)["open_streams"] <= before["open_streams"]
    partial = text_of(events)
    assert len(partial) >= 30
    assert numbered(2000).startswith(partial)
    end = events[-1]
    by = {"model": "mock?tokens=2000&rate=50", "provider": "openai"}
    assert end == (f"1.1.{len(partial) + 1}", {"type": "done", "finish_reason": "cancelled", "usage": None, **by})
    turn = await client.turn(session)
    assert (turn["status"], turn["finish_reason"], turn["text"]) == ("done", "cancelled", partial)
    assert turn["finished_at"] is not None


async def test_a_turn_whose_model_has_not_begun(client: Client, shared: Shared) -> None:
    before = mock_stats(shared.stack)
    session = new_session()
    await client.ask(session_id=session, model="mock?hang")
    async with client.stream(session) as stream:
        await stream.read_until("start")
        await eventually(lambda: mock_stats(shared.stack)["requests"] > before["requests"])
        with promised(CANCEL_SECONDS):
            await client.cancel(session)
            assert (await stream.rest())[-1].data["finish_reason"] == "cancelled"
    with promised(CANCEL_SECONDS):
        await eventually(lambda: mock_stats(shared.stack)["open_streams"] <= before["open_streams"])


async def test_a_turn_that_waits_for_its_next_try(client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model=f"mock?status=429&retry_after=30&fail_times=3&id={session}")
    async with client.stream(session) as stream:
        await stream.read_until("start")
        with promised(CANCEL_SECONDS):
            await client.cancel(session)
            assert (await stream.rest())[-1].data["finish_reason"] == "cancelled"


async def test_a_finished_turn_stays_as_it_is(client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=3")
    before = await client.until(session, "done")
    response = await client.cancel(session)
    assert (response.status_code, response.json()["status"]) == (202, "done")
    assert await client.turn(session) == before
    assert before["finish_reason"] == "stop"


async def test_twice_is_as_good_as_once(client: Client, other_client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=2000&rate=50")
    async with client.stream(session) as stream:
        await stream.read_until("chunk")
        statuses = [(await on.cancel(session)).status_code for on in (client, other_client, client)]
        events = await stream.rest()
    assert statuses == [202, 202, 202]
    assert [event.data["type"] for event in events if "type" in event.data].count("done") == 1
    assert (await client.cancel(session)).json()["status"] == "done"


async def test_the_session_goes_on_afterwards(client: Client, shared: Shared) -> None:
    session = new_session()
    await client.ask("one", session_id=session, model="mock?tokens=2000&rate=50")
    async with client.stream(session) as stream:
        await stream.read_chars(16)
        await client.cancel(session)
        partial = text_of(await stream.rest())
    assert (await client.ask("two", session_id=session, model="mock?tokens=2")).json()["turn"] == 2
    assert text_of(await client.read(session)) == numbered(2)
    asked = mock_stats(shared.stack)["last_request"]["messages"]
    assert [message["content"] for message in asked] == ["one", partial, "two"]


async def test_the_next_turn_is_not_cancelled_with_it(client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=2000&rate=50")
    await client.cancel(session)
    await client.until(session, "done")
    await client.ask(session_id=session, model="mock?tokens=20&rate=40")
    assert (await client.until(session, "done", number=2))["finish_reason"] == "stop"


async def test_an_unknown_session(client: Client) -> None:
    assert_problem(await client.cancel(new_session()), 404, "not_found")
