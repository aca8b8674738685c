"""A worker is killed, stopped or cut off in mid-answer: another goes on, and no viewer loses or doubles a character."""

import signal
from time import monotonic

import anyio
import pytest

from core.broker.topology import SNAPSHOT_EVERY
from tests.client import Client, SseEvent, new_session, numbered, text_of, types_of
from tests.integration.conftest import Arena, StartWorkers, alive_workers, eventually, mock_stats, owner_of, tries
from tests.proxy import Proxy
from tests.stack import Process

pytestmark = pytest.mark.anyio

TAKEOVER_SECONDS = 5.0
TOKENS = 60
RATE = 40


class Watch:
    """A viewer that notes when the answer restarted."""

    def __init__(self, client: Client, session: str, tokens: int = TOKENS) -> None:
        self.events: list[SseEvent] = []
        self.restarted_at = 0.0
        self.begun = anyio.Event()
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

    def assert_restarted_once(self, reason: str) -> None:
        restarts = [event for event in self.events if event.data.get("type") == "restart"]
        assert restarts == [SseEvent("1.2.0", {"type": "restart", "attempt": 2, "reason": reason})]
        partial = text_of(self.events[: self.events.index(restarts[0])])
        assert partial
        assert self._answer.startswith(partial)
        self.assert_whole()

    def assert_whole(self) -> None:
        assert text_of(self.events) == self._answer
        assert self.events[-1].data["type"] == "done"
        assert types_of(self.events).count("done") == 1


async def test_a_killed_worker_is_replaced_within_five_seconds(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    workers = start_workers(2)
    session = await _ask(viewer)
    watches = [Watch(viewer, session), Watch(other_viewer, session)]
    async with anyio.create_task_group() as viewers:
        for watch in watches:
            viewers.start_soon(watch.run)
        for watch in watches:
            await watch.begun.wait()
        owner_of(arena.stack, session, workers).kill()
        killed_at = monotonic()
    for watch in watches:
        watch.assert_restarted_once("worker_lost")
        assert watch.restarted_at - killed_at < TAKEOVER_SECONDS
    turn = await viewer.turn(session)
    assert (turn["status"], turn["attempt"], turn["text"]) == ("done", 2, numbered(TOKENS))
    assert tries(arena.stack, session) == 2
    await eventually(lambda: alive_workers(arena) == 1)


async def test_a_stopping_worker_without_grace_hands_over(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    workers = start_workers(2, SHUTDOWN_GRACE="0")
    session = await _ask(viewer, rate=15)  # Celery may take a second or two to notice the signal
    watches = [Watch(viewer, session), Watch(other_viewer, session)]
    async with anyio.create_task_group() as viewers:
        for watch in watches:
            viewers.start_soon(watch.run)
        for watch in watches:
            await watch.begun.wait()
        owner = owner_of(arena.stack, session, workers)
        owner.signal(signal.SIGTERM)
        stopped_at = monotonic()
    for watch in watches:
        watch.assert_restarted_once("handed_over")
        assert watch.restarted_at - stopped_at < 3  # nobody waits for silence here
    await eventually(lambda: not owner.alive)
    assert owner.exit_code == 0
    assert tries(arena.stack, session) == 2


async def test_a_cold_shutdown_hands_over(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    """SIGQUIT, as a second Ctrl-C."""
    workers = start_workers(2, SHUTDOWN_GRACE="20")
    session = await _ask(viewer, rate=15)
    watch = Watch(viewer, session)
    async with anyio.create_task_group() as viewers:
        viewers.start_soon(watch.run)
        await watch.begun.wait()
        owner = owner_of(arena.stack, session, workers)
        owner.signal(signal.SIGQUIT)
    watch.assert_restarted_once("handed_over")
    await eventually(lambda: not owner.alive)
    assert "Traceback" not in owner.output()


async def test_a_stopping_worker_with_grace_finishes_and_takes_no_more(
    arena: Arena, viewer: Client, start_workers: StartWorkers
) -> None:
    (worker,) = start_workers(1, SHUTDOWN_GRACE="20")
    session = await _ask(viewer)
    watch = Watch(viewer, session)
    async with anyio.create_task_group() as viewers:
        viewers.start_soon(watch.run)
        await watch.begun.wait()
        worker.signal(signal.SIGTERM)
        await eventually(lambda: "worker stops" in worker.output())
        later = await _ask(viewer)
    watch.assert_whole()
    assert "restart" not in types_of(watch.events)
    await eventually(lambda: not worker.alive, 5)
    assert worker.exit_code == 0
    assert tries(arena.stack, session) == 1
    assert ((await viewer.turn(later))["status"], tries(arena.stack, later)) == ("queued", 0)
    await viewer.cancel(later)


async def test_a_worker_that_loses_the_broker_goes_on_by_itself(
    arena: Arena, viewer: Client, other_viewer: Client, proxy: Proxy, start_workers: StartWorkers
) -> None:
    """Its job is delivered again while it runs, and is not run again."""
    workers = start_workers(2, RABBIT_MQ=proxy.url)
    session = await _ask(viewer)
    watches = [Watch(viewer, session), Watch(other_viewer, session)]
    async with anyio.create_task_group() as viewers:
        for watch in watches:
            viewers.start_soon(watch.run)
        for watch in watches:
            await watch.begun.wait()
        proxy.cut()
    for watch in watches:
        watch.assert_whole()
        assert "restart" not in types_of(watch.events)
    await eventually(lambda: _left(workers, session) >= 1)
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
    session = await _ask(viewer, tokens=tokens, rate=10)
    watch = Watch(viewer, session, tokens)
    async with anyio.create_task_group() as viewers:
        viewers.start_soon(watch.run)
        await watch.begun.wait()
        before = mock_stats(arena.stack)["tokens"]
        proxy.black_hole()  # so that a batch is surely on its way, and lost, when the connection goes
        await eventually(lambda: mock_stats(arena.stack)["tokens"] >= before + 6)
        seen = len(watch.events)
        proxy.cut()
        proxy.restore()
    watch.assert_whole()
    assert len(watch.events) - seen > 3
    assert "restart" not in types_of(watch.events)
    assert tries(arena.stack, session) == 1


async def test_a_turn_cancelled_after_its_worker_died_still_ends_for_who_comes_back(
    arena: Arena, viewer: Client, other_viewer: Client, start_workers: StartWorkers
) -> None:
    (worker,) = start_workers(1)
    session = await _ask(viewer)
    async with viewer.stream(session) as stream:
        await stream.read_chars(16)
        last_id = stream.last_id
        worker.kill()
    await eventually(lambda: alive_workers(arena) == 0)
    assert (await viewer.cancel(session)).json()["status"] == "done"
    events = await other_viewer.read(session, last_id)
    assert [event.data["finish_reason"] for event in events] == ["cancelled"]


async def _ask(
    client: Client, session: str | None = None, *, number: int = 1, tokens: int = TOKENS, rate: int = RATE
) -> str:
    """A turn whose requests the mock upstream counts under the session's name."""
    session = session or new_session()
    response = await client.ask(session_id=session, model=f"mock?tokens={tokens}&rate={rate}&id={session}")
    assert (response.status_code, response.json()["turn"]) == (202, number)
    return session


def _left(workers: list[Process], session: str) -> int:
    """How often the turn's job came to a worker while its owner lived."""
    lines = [line for worker in workers for line in worker.output().splitlines() if "job.left" in line]
    return sum(session in line and "its owner lives" in line for line in lines)
