"""Celery's own control tells the truth about turns, and works on them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Arena, celery, tries
from tests.patience import promised
from tests.processes import Worker

pytestmark = pytest.mark.anyio

LONG = "mock?tokens=2000&rate=40"
CANCEL_SECONDS = 1.0


@pytest.fixture(scope="module")
def solo(arena: Arena) -> Iterator[Worker]:
    """A worker that runs one turn at a time."""
    worker = arena.stack.start_worker(concurrency=1)
    yield worker
    worker.kill()


async def test_inspect_active_shows_the_running_turn(arena: Arena, solo: Worker, viewer: Client) -> None:
    session = new_session()
    await viewer.ask(session_id=session, model=LONG)
    async with viewer.stream(session) as stream:
        await stream.read_until("chunk")
        active = await _active(arena, solo)
        assert [(job["id"], job["name"], job["args"]) for job in active] == [
            (f"{session}.1", "hopstream.generate", [session, 1])
        ]
        await viewer.cancel(session)
    await viewer.until(session, "done")
    assert await _active(arena, solo) == []


async def test_terminate_cancels_the_running_turn(arena: Arena, solo: Worker, viewer: Client) -> None:
    session = new_session()
    await viewer.ask(session_id=session, model=LONG)
    async with viewer.stream(session) as stream:
        await stream.read_chars(80)
        await celery(arena.stack, "control", "terminate", "SIGTERM", f"{session}.1", to=[solo])
        with promised(CANCEL_SECONDS):
            events = await stream.rest()
    assert events[-1].data["finish_reason"] == "cancelled"
    turn = await viewer.turn(session)
    assert (turn["status"], turn["finish_reason"], turn["text"]) == ("done", "cancelled", text_of(events))
    await _assert_answers(viewer)


async def test_a_turn_revoked_before_it_runs_ends_as_cancelled(arena: Arena, solo: Worker, viewer: Client) -> None:
    busy, session = new_session(), new_session()
    await viewer.ask(session_id=busy, model=LONG)
    await viewer.until(busy, "running")
    await viewer.ask(session_id=session, model=f"{LONG}&id={session}")
    async with viewer.stream(session) as stream:
        await stream.read_until("queued")
        await celery(arena.stack, "control", "revoke", f"{session}.1", to=[solo])
        await viewer.cancel(busy)
        events = await stream.rest()
    assert events[-1].data == {"type": "done", "finish_reason": "cancelled", "usage": None}
    assert (await viewer.turn(session))["attempt"] == 0
    assert tries(arena.stack, session) == 0
    await _assert_answers(viewer)


async def _assert_answers(client: Client, **fields: Any) -> None:
    session = new_session()
    assert (await client.ask(session_id=session, model="mock?tokens=3", **fields)).is_success
    assert (await client.until(session, "done"))["text"] == numbered(3)


async def _active(arena: Arena, worker: Worker) -> list[Any]:
    jobs: list[Any] = json.loads(await celery(arena.stack, "inspect", "active", "--json", to=[worker]))[worker.node]
    return jobs
