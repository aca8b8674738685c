"""Celery's own control tells the truth about turns, and works on them."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Arena, tries
from tests.stack import Process

pytestmark = pytest.mark.anyio

LONG = "mock?tokens=2000&rate=40"


@pytest.fixture(scope="module")
def solo(arena: Arena) -> Iterator[Process]:
    """A worker that runs one turn at a time."""
    worker = arena.stack.start_worker(concurrency=1)
    yield worker
    worker.kill()


@pytest.mark.usefixtures("solo")
async def test_inspect_active_shows_the_running_turn(arena: Arena, viewer: Client) -> None:
    session = new_session()
    await viewer.ask(session_id=session, model=LONG)
    async with viewer.stream(session) as stream:
        await stream.read_until("chunk")
        (active,) = await _inspect(arena, "active")
        assert [(job["id"], job["name"], job["args"]) for job in active] == [
            (f"{session}.1", "hopstream.generate", [session, 1])
        ]
        await viewer.cancel(session)
    await viewer.until(session, "done")
    assert await _inspect(arena, "active") == [[]]


@pytest.mark.usefixtures("solo")
async def test_terminate_cancels_the_running_turn(arena: Arena, viewer: Client) -> None:
    session = new_session()
    await viewer.ask(session_id=session, model=LONG)
    async with viewer.stream(session) as stream:
        await stream.read_chars(80)
        await _celery(arena, "control", "terminate", "SIGTERM", f"{session}.1")
        with anyio.fail_after(1):
            events = await stream.rest()
    assert events[-1].data["finish_reason"] == "cancelled"
    turn = await viewer.turn(session)
    assert (turn["status"], turn["finish_reason"], turn["text"]) == ("done", "cancelled", text_of(events))
    await _assert_answers(viewer)


@pytest.mark.usefixtures("solo")
async def test_a_turn_revoked_before_it_runs_ends_as_cancelled(arena: Arena, viewer: Client) -> None:
    busy, session = new_session(), new_session()
    await viewer.ask(session_id=busy, model=LONG)
    await viewer.until(busy, "running")
    await viewer.ask(session_id=session, model=f"{LONG}&id={session}")
    async with viewer.stream(session) as stream:
        await stream.read_until("queued")
        await _celery(arena, "control", "revoke", f"{session}.1")
        await viewer.cancel(busy)
        with anyio.fail_after(5):
            events = await stream.rest()
    assert events[-1].data == {"type": "done", "finish_reason": "cancelled", "usage": None}
    assert (await viewer.turn(session))["attempt"] == 0
    assert tries(arena.stack, session) == 0
    await _assert_answers(viewer)


async def _assert_answers(client: Client, **fields: Any) -> None:
    session = new_session()
    assert (await client.ask(session_id=session, model="mock?tokens=3", **fields)).is_success
    assert (await client.until(session, "done"))["text"] == numbered(3)


async def _inspect(arena: Arena, what: str) -> list[Any]:
    """Each node's answer."""
    return list(json.loads(await _celery(arena, "inspect", what, "--json", "--timeout", "2")).values())


async def _celery(arena: Arena, *arguments: str) -> str:
    return await anyio.to_thread.run_sync(arena.stack.celery, *arguments)
