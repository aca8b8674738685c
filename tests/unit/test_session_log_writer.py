"""The log writer: a snapshot, what is added, and a snapshot again; its loss noticed, its log deleted after all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, cast

import pytest

from core.broker.connection import BrokerConnection, broker_down
from core.broker.topology import SNAPSHOT_EVERY, log_name
from core.model.events import Batch, Snapshot
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Text
from core.turns.lease import Lease
from tests.patience import PATIENCE_SECONDS
from tests.unit.fake_connection import FakeConnection
from tests.unit.leases import lasting_lease
from workers import session_log_writer
from workers.session_log_writer import SessionLogWriter

pytestmark = pytest.mark.anyio

KEY = TurnKey("s", 1)


class LinkInOutage(FakeConnection):
    """Down for so many calls."""

    def __init__(self, outages: float = 0) -> None:
        super().__init__()
        self.outages = outages
        self.calls = 0

    async def call(self, work: Any, about: str = "") -> None:
        if self.outages:
            self.outages -= 1
            raise broker_down()
        self.calls += 1

    async def wait_up(self) -> None:
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_log_writer, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(session_log_writer, "RETRY_SECONDS", 0.001)


def _writer(connection: FakeConnection, feed: Feed, attempt: int = 1, lease: Lease | None = None) -> SessionLogWriter:
    lease = lease or lasting_lease()
    return SessionLogWriter(feed, cast(BrokerConnection, connection), lease, attempt)


@asynccontextmanager
async def _writing(connection: FakeConnection, lease: Lease | None = None) -> AsyncIterator[Feed]:
    """The feed of a turn that has started."""
    feed = Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_writer(connection, feed, lease=lease).run())
    yield feed
    task.cancel()
    await asyncio.wait([task])


async def test_it_begins_with_a_snapshot_and_goes_on_with_what_is_new() -> None:
    connection = FakeConnection()
    async with _writing(connection) as feed:
        feed.extend([Text("a")])
        routing_key, _ = await connection.fake.next()
        assert routing_key == log_name(KEY)
        feed.extend([Text("b")])
        feed.extend([Text("c")])
        await asyncio.sleep(0.01)
        assert connection.fake.sent.empty()  # the snapshot is not confirmed yet
        connection.fake.confirm()
        assert await connection.next() == Batch(1, 1, [Text("b"), Text("c")])


async def test_a_log_always_holds_a_snapshot() -> None:
    connection = FakeConnection()
    async with _writing(connection) as feed:
        kinds = []
        for _ in range(2 * SNAPSHOT_EVERY + 1):
            feed.extend([Text("a")])
            kinds.append(type(await connection.next()))
    assert [number for number, kind in enumerate(kinds) if kind is Snapshot] == [0, SNAPSHOT_EVERY, 2 * SNAPSHOT_EVERY]


async def test_a_new_attempt_begins_with_a_snapshot() -> None:
    connection = FakeConnection()
    async with _writing(connection) as feed:
        await connection.next()
        feed.start(2, "m", "provider_drop")
        assert await connection.next() == Snapshot(2, "m", [], "provider_drop")


async def test_a_log_that_was_lost_is_made_anew() -> None:
    connection = LinkInOutage()
    async with _writing(connection) as feed:
        feed.extend([Text("a")])
        await connection.next()
        feed.extend([Text("b")])
        await connection.sent()
        assert connection.calls == 1
        connection.fake.lose()
        assert await connection.next() == Snapshot(1, "m", [Text("ab")], None, [1, 1])
        assert connection.calls == 2


async def test_one_whose_turn_others_may_have_taken_writes_nothing() -> None:
    connection, lease = FakeConnection(), Lease()
    async with _writing(connection, lease) as feed:
        feed.extend([Text("a")])
        await asyncio.sleep(0.02)
        assert connection.fake.sent.empty()
        lease.renew(monotonic())
        assert await connection.next() == Snapshot(1, "m", [Text("a")])


async def test_a_log_is_deleted_once_the_broker_is_back() -> None:
    connection = LinkInOutage(3)
    await _writer(connection, Feed(KEY), attempt=2).delete()
    assert (connection.outages, connection.calls) == (0, 1)


async def test_a_log_that_is_being_made_when_the_answer_ends_is_deleted_afterwards() -> None:
    calls: list[str] = []
    makes, made = asyncio.Event(), asyncio.Event()

    class Slow(FakeConnection):
        async def call(self, work: Any, about: str = "") -> None:
            if calls:
                calls.append("delete")
                return
            calls.append("make")
            makes.set()
            await made.wait()
            calls.append("made")

    feed = Feed(KEY)
    feed.start(1, "m")
    writer = _writer(Slow(), feed)
    running = asyncio.create_task(writer.run())
    await asyncio.wait_for(makes.wait(), PATIENCE_SECONDS)
    running.cancel()
    deleting = asyncio.create_task(writer.delete())
    await asyncio.sleep(0.01)
    made.set()
    await asyncio.wait_for(deleting, PATIENCE_SECONDS)
    assert calls == ["make", "made", "delete"]


async def test_an_answer_that_never_had_a_log_has_none_to_delete() -> None:
    connection = LinkInOutage()
    await _writer(connection, Feed(KEY)).delete()
    assert connection.calls == 0


async def test_a_broker_that_stays_away_does_not_keep_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_log_writer, "DELETE_SECONDS", 0.05)
    connection = LinkInOutage(float("inf"))
    await asyncio.wait_for(_writer(connection, Feed(KEY), attempt=2).delete(), PATIENCE_SECONDS)
    assert connection.calls == 0
