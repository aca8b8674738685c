"""A turn that takes too long ends with a terminal error that keeps its partial; one that cannot end frees its slot."""

from time import monotonic
from typing import Any

import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Arena, Shared, StartWorkers, eventually, mock_stats
from tests.patience import promised

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 6
"""Long enough for a busy machine to bring the first tokens."""
ENDS_SECONDS = LIMIT_SECONDS + 2.0
"""A worker takes the job, and the API hears of its end."""
FREED_SECONDS = 2.0


@pytest.mark.parametrize("by", ["soft time limit", "MAX_TURN_SECONDS"])
async def test_a_turn_that_takes_too_long_keeps_its_partial(
    viewer: Client, start_workers: StartWorkers, by: str
) -> None:
    if by == "MAX_TURN_SECONDS":
        start_workers(1, MAX_TURN_SECONDS=str(LIMIT_SECONDS))
    else:
        start_workers(1, "--soft-time-limit", str(LIMIT_SECONDS))
    await _assert_time_limit(viewer, mode="queue")


async def test_a_direct_turn_has_the_same_limit(shared: Shared) -> None:
    api = shared.stack.start_api(MAX_TURN_SECONDS=str(LIMIT_SECONDS))
    async with Client(api.url) as client:
        await _assert_time_limit(client, mode="direct")


async def test_the_hard_limit_frees_the_slot(arena: Arena, viewer: Client, start_workers: StartWorkers) -> None:
    """Abandoned, the turn is tried again until its attempts are used up; others run in between."""
    before = mock_stats(arena.stack)["open_streams"]
    stuck = new_session()
    start_workers(1, "--time-limit", "6", concurrency=1)
    await viewer.ask(session_id=stuck, model="mock?hang")
    await viewer.until(stuck, "running")
    await _assert_answers(viewer)
    with promised(FREED_SECONDS):
        await eventually(lambda: mock_stats(arena.stack)["open_streams"] <= before)
    await viewer.cancel(stuck)
    await viewer.until(stuck, "done", "error")


async def _assert_time_limit(client: Client, mode: str) -> None:
    await _assert_answers(client, mode=mode)  # the first answer of a process waits for what it loads late
    session = new_session()
    begin = monotonic()
    fields: dict[str, Any] = {"mode": mode, "model": f"mock?tokens=40&rate=0&hold_after=20&id={session}"}
    async with client.ask_streaming(accept="text/event-stream", session_id=session, **fields) as stream:
        with promised(ENDS_SECONDS):
            events = await stream.rest()
    assert monotonic() - begin >= LIMIT_SECONDS
    assert (events[-1].data["type"], events[-1].data["code"]) == ("error", "time_limit")
    assert text_of(events) == numbered(20)
    turn = await client.turn(session)
    assert (turn["status"], turn["error"]["code"], turn["text"]) == ("error", "time_limit", numbered(20))
    await _assert_answers(client, mode=mode)


async def _assert_answers(client: Client, **fields: Any) -> None:
    session = new_session()
    assert (await client.ask(session_id=session, model="mock?tokens=3", **fields)).is_success
    assert (await client.until(session, "done"))["text"] == numbered(3)
