"""A worker is killed, stopped or cut off in mid-answer: another goes on, and no viewer loses or doubles a character."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import anyio
import pytest

from core.broker.topology import SNAPSHOT_EVERY
from tests.client import Client, SseEvent, new_session, numbered, text_of, types_of
from tests.integration.conftest import Arena, StartWorkers, alive_workers, eventually, mock_stats, owner_of, tries
from tests.patience import PATIENCE_SECONDS, Slowness, promised
from tests.processes import Worker
from tests.proxy import Proxy

pytestmark = pytest.mark.anyio

TAKEOVER_SECONDS = 5.0
HAND_OVER_SECONDS = 3.0
"""Nobody waits for silence here, but Celery may take a second or two to notice the signal."""
EXIT_SECONDS = 5.0
TOKENS = 60
HELD_AFTER = 50
"""The last tokens come when the test has done its part, so that the answer has not ended before."""
RATE = 40


class Watch:
    """A viewer that notes when the answer restarted."""

    def __init__(self, client: Client, session: str, tokens: int = TOKENS) -> None:
        self.events: list[SseEvent] = []
        self.restarted_at = 0.0
        self.begun = anyio.Event()
        self.restarted = anyio.Event()
        self._client = client
        self._session = session
        self._answer = numbered(tokens)

    async def run(self) -> None:
        async with self._client.stream(self._session) as stream:
            async for event in stream.events():
                self.events = stream.seen
                if len(text_of(stream.seen)) > 50:
                    self.begun.set()
                if event.data.get("type") == "restart":
                    self.restarted_at = monotonic()
                    self.restarted.set()

    def assert_restarted_once(self, reason: str) -> None:
        restarts = [event for event in self.events if event.data.get("type") == "restart"]
        ((event_id, restart),) = restarts
        assert (event_id, restart["attempt"], restart["reason"]) == ("1.2.0", 2, reason)
        partial = text_of(self.events[: self.events.index(restarts[0])])
        assert partial
        assert self._answer.startswith(partial)
        self.assert_whole()

    def assert_whole(self) -> None:
        assert text_of(self.events) == self._answer
        assert self.events[-1].data["type"] == "done"
        assert types_of(self.events).count("done") == 1


@asynccontextmanager
async def watching(*watches: Watch) -> AsyncIterator[None]:
    """Begins once all of them see the answer, and ends with it."""
    with anyio.fail_after(2 * PATIENCE_SECONDS):
        async with anyio.create_task_group() as viewers:
            for watch in watches:
                viewers.start_soon(watch.run)
            for watch in watches:
                await watch.begun.wait()
            yield


async def test_a_killed_worker_is_replaced_within_five_seconds(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    workers = start_workers(2)
    session = await _ask(viewer, goal_id="goal", metadata={"team": "é"})
    watches = [Watch(viewer, session), Watch(other_viewer, session)]
    with Slowness() as slowness:
        async with watching(*watches):
            owner_of(arena.stack, session, workers).kill()
            killed_at = monotonic()
            arena.stack.release(session)
    for watch in watches:
        watch.assert_restarted_once("worker_lost")
        assert watch.restarted_at - killed_at < TAKEOVER_SECONDS * slowness.factor
    turn = await viewer.turn(session)
    assert (turn["status"], turn["attempt"], turn["text"]) == ("done", 2, numbered(TOKENS))
    assert (turn["goal_id"], turn["metadata"]) == ("goal", {"team": "é"})
    assert tries(arena.stack, session) == 2
    await eventually(lambda: alive_workers(arena) == 1)


async def test_a_stopping_worker_without_grace_hands_over(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    workers = start_workers(2, SHUTDOWN_GRACE="0")
    session = await _ask(viewer)
    watches = [Watch(viewer, session), Watch(other_viewer, session)]
    async with watching(*watches):
        owner = owner_of(arena.stack, session, workers)
        owner.signal(signal.SIGTERM)
        with promised(HAND_OVER_SECONDS):
            for watch in watches:
                await watch.restarted.wait()
        arena.stack.release(session)
    for watch in watches:
        watch.assert_restarted_once("handed_over")
    await eventually(lambda: not owner.alive)
    assert owner.exit_code == 0
    assert tries(arena.stack, session) == 2


async def test_a_cold_shutdown_hands_over(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    """SIGQUIT, as a second Ctrl-C."""
    workers = start_workers(2, SHUTDOWN_GRACE="20")
    session = await _ask(viewer)
    watch = Watch(viewer, session)
    async with watching(watch):
        owner = owner_of(arena.stack, session, workers)
        owner.signal(signal.SIGQUIT)
        with anyio.fail_after(PATIENCE_SECONDS):
            await watch.restarted.wait()
        arena.stack.release(session)
    watch.assert_restarted_once("handed_over")
    await eventually(lambda: not owner.alive)
    assert "Traceback" not in owner.output()


async def test_a_stopping_worker_with_grace_finishes_and_takes_no_more(
    arena: Arena, viewer: Client, start_workers: StartWorkers
) -> None:
    (worker,) = start_workers(1, SHUTDOWN_GRACE="20")
    session = await _ask(viewer)
    watch = Watch(viewer, session)
    async with watching(watch):
        worker.signal(signal.SIGTERM)
        await eventually(lambda: "worker stops" in worker.output())
        later = await _ask(viewer)
        arena.stack.release(session)
    watch.assert_whole()
    assert "restart" not in types_of(watch.events)
    with promised(EXIT_SECONDS):
        await eventually(lambda: not worker.alive)
    assert worker.exit_code == 0
    assert tries(arena.stack, session) == 1
    assert ((await viewer.turn(later))["status"], tries(arena.stack, later)) == ("queued", 0)


async def test_a_worker_that_loses_the_broker_goes_on_by_itself(
    arena: Arena, viewer: Client, other_viewer: Client, proxy: Proxy, start_workers: StartWorkers
) -> None:
    """Its job is delivered again while it runs, and is not run again."""
    workers = start_workers(2, RABBIT_MQ=proxy.url)
    session = await _ask(viewer)
    watches = [Watch(viewer, session), Watch(other_viewer, session)]
    async with watching(*watches):
        proxy.cut()
        await eventually(lambda: _left(workers, session) >= 1)
        arena.stack.release(session)
    for watch in watches:
        watch.assert_whole()
        assert "restart" not in types_of(watch.events)
    assert tries(arena.stack, session) == 1
    assert (await viewer.turn(session))["attempt"] == 1
    again = await _ask(viewer, session, number=2)
    await viewer.until(again, "done", number=2)
    assert tries(arena.stack, session) == 2


async def test_a_worker_whose_broker_is_away_for_a_while(
    arena: Arena, viewer: Client, proxy: Proxy, start_workers: StartWorkers
) -> None:
    """It generates into its tape meanwhile; viewers see a pause, then all that they missed, and then go on live.

    The answer is shorter than the distance of two snapshots, so that none comes by itself.
    """
    tokens = SNAPSHOT_EVERY - 4
    start_workers(1, RABBIT_MQ=proxy.url)
    session = await _ask(viewer, tokens=tokens, held_after=8)
    watch = Watch(viewer, session, tokens)
    async with watching(watch):
        await eventually(lambda: text_of(watch.events) == numbered(8))
        before = mock_stats(arena.stack)["tokens"]
        proxy.black_hole()  # so that a batch is surely on its way, and lost, when the connection goes
        arena.stack.release(session, 14)
        await eventually(lambda: mock_stats(arena.stack)["tokens"] == before + 6)
        assert text_of(watch.events) == numbered(8)
        proxy.cut()
        proxy.restore()
        await eventually(lambda: text_of(watch.events) == numbered(14))
        arena.stack.release(session, 18)
        await eventually(lambda: text_of(watch.events) == numbered(18))
        arena.stack.release(session)
    watch.assert_whole()
    assert "restart" not in types_of(watch.events)
    assert tries(arena.stack, session) == 1


async def test_a_turn_cancelled_after_its_worker_died_still_ends_for_who_comes_back(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    (worker,) = start_workers(1)
    session = await _ask(viewer, tokens=2000)
    async with viewer.stream(session) as stream:
        await stream.read_chars(16)
        last_id = stream.last_id
        worker.kill()
    await eventually(lambda: alive_workers(arena) == 0)
    with anyio.fail_after(PATIENCE_SECONDS):
        while (await viewer.cancel(session)).json()["status"] != "done":  # noqa: ASYNC110 - until it is found silent
            await anyio.sleep(0.1)
    events = await other_viewer.read(session, last_id)
    assert [event.data["finish_reason"] for event in events] == ["cancelled"]


async def _ask(
    client: Client,
    session: str | None = None,
    *,
    number: int = 1,
    tokens: int = TOKENS,
    held_after: int = HELD_AFTER,
    **fields: Any,
) -> str:
    """A turn whose requests the mock upstream counts under the session's name."""
    session = session or new_session()
    model = f"mock?tokens={tokens}&rate={RATE}&hold_after={held_after}&id={session}"
    response = await client.ask(session_id=session, model=model, **fields)
    assert (response.status_code, response.json()["turn"]) == (202, number)
    return session


def _left(workers: list[Worker], session: str) -> int:
    """How often the turn's job came to a worker while its owner lived."""
    lines = [line for worker in workers for line in worker.output().splitlines() if "job.left" in line]
    return sum(session in line and "its owner lives" in line for line in lines)
