"""No worker runs: viewers are told that they wait, and where; nothing is lost when one comes."""

import anyio
import pytest

from tests.client import Client, SseEvent, new_session, numbered, text_of, types_of
from tests.integration.conftest import Arena, StartWorkers, alive_workers, assert_problem, eventually
from tests.patience import promised

pytestmark = pytest.mark.anyio

CANCEL_SECONDS = 1.0
TOLD_SECONDS = 5.0
"""In which viewers hear of what another request has changed: the store is asked every two seconds."""


async def test_viewers_wait_in_the_queue_until_a_worker_comes(
    viewer: Client, arena: Arena, start_workers: StartWorkers
) -> None:
    await eventually(lambda: alive_workers(arena) == 0)  # those of earlier tests are still being missed
    sessions = [new_session(), new_session()]
    for position, session in enumerate(sessions, start=1):
        asked = await viewer.ask(session_id=session, model="mock?tokens=10")
        assert (asked.status_code, asked.json()["position"]) == (202, position)

    answers: dict[str, list[SseEvent]] = {}

    async def view(session: str) -> None:
        async with viewer.stream(session) as stream:
            waiting = await stream.read_until("queued")
            assert waiting == (None, {"type": "queued", "position": sessions.index(session) + 1})
            told.release()
            answers[session] = await stream.rest()

    told = anyio.Semaphore(0)
    async with anyio.create_task_group() as viewers:
        for session in sessions:
            viewers.start_soon(view, session)
        for _ in sessions:
            await told.acquire()
        for session in sessions:
            assert (await viewer.turn(session))["status"] == "queued"
        await anyio.to_thread.run_sync(start_workers, 1)
    for events in answers.values():
        assert text_of(events) == numbered(10)
        assert types_of(events)[-2:] == ["start", "done"]
    await eventually(lambda: alive_workers(arena) == 1)


async def test_those_who_wait_move_up(viewer: Client) -> None:
    first, second = new_session(), new_session()
    for session in (first, second):
        await viewer.ask(session_id=session)
    async with viewer.stream(second) as stream:
        assert (await stream.read_until("queued")).data["position"] == 2
        await viewer.cancel(first)
        with promised(TOLD_SECONDS):
            assert (await stream.read_until("queued")).data["position"] == 1


async def test_a_turn_that_waits_is_cancelled_for_good(viewer: Client, start_workers: StartWorkers) -> None:
    """Its job still comes to a worker, which leaves it alone."""
    series, session = new_session(), new_session()
    await viewer.ask(session_id=session, model=f"mock?tokens=5&id={series}")
    async with viewer.stream(session) as stream:
        await stream.read_until("queued")
        with promised(CANCEL_SECONDS):
            cancelled = await viewer.cancel(session)
            events = await stream.rest()
    assert (cancelled.status_code, cancelled.json()) == (202, {"session_id": session, "turn": 1, "status": "done"})
    assert events[-1] == ("1.0.1", {"type": "done", "finish_reason": "cancelled", "usage": None})
    assert (await viewer.http.get(f"/stream/{session}?last_event_id=1.0.1")).status_code == 204
    assert (await viewer.read(session))[-1] == events[-1]

    start_workers(1)
    after = new_session()
    await viewer.ask(session_id=after, model="mock?tokens=1")
    await viewer.until(after, "done")
    turn = await viewer.turn(session)
    assert (turn["status"], turn["finish_reason"], turn["attempt"], turn["text"]) == ("done", "cancelled", 0, "")


async def test_a_second_turn_is_refused_while_the_first_waits(viewer: Client) -> None:
    session = new_session()
    await viewer.ask(session_id=session)
    assert_problem(await viewer.ask(session_id=session), 409, "turn_running")
    await viewer.cancel(session)
    assert (await viewer.ask(session_id=session)).json()["turn"] == 2
    await viewer.cancel(session)


async def test_a_session_that_waits_can_be_deleted(viewer: Client) -> None:
    session = new_session()
    await viewer.ask(session_id=session)
    async with viewer.stream(session) as stream:
        await stream.read_until("queued")
        assert (await viewer.http.delete(f"/sessions/{session}")).status_code == 204
        with promised(TOLD_SECONDS):
            assert (await stream.rest())[-1].data["finish_reason"] == "cancelled"
    assert_problem(await viewer.http.get(f"/stream/{session}"), 404, "not_found")
