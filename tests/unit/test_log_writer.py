"""The log writer: a snapshot, what is added, and a snapshot again; its loss noticed, its log deleted after all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, cast

import pytest

from core.broker.link import Link, broker_down
from core.broker.topology import SNAPSHOT_EVERY, log_name
from core.events import Batch, Snapshot
from core.feed import Feed
from core.keeper import Lease
from core.keys import TurnKey
from core.tape import Text
from tests.unit.fake_link import FakeLink
from workers import log_writer
from workers.log_writer import LogWriter

pytestmark = pytest.mark.anyio

KEY = TurnKey("s", 1)


class LinkInOutage(FakeLink):
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
    monkeypatch.setattr(log_writer, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(log_writer, "RETRY_SECONDS", 0.001)


def _writer(link: FakeLink, feed: Feed, attempt: int = 1, lease: Lease | None = None) -> LogWriter:
    if lease is None:
        lease = Lease()
        lease.renew(monotonic())
    return LogWriter(feed, cast(Link, link), lease, attempt)


@asynccontextmanager
async def _writing(link: FakeLink, lease: Lease | None = None) -> AsyncIterator[Feed]:
    """The feed of a turn that has started."""
    feed = Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_writer(link, feed, lease=lease).run())
    yield feed
    task.cancel()
    await asyncio.wait([task])


async def test_it_begins_with_a_snapshot_and_goes_on_with_what_is_new() -> None:
    link = FakeLink()
    async with _writing(link) as feed:
        feed.extend([Text("a")])
        routing_key, _ = await asyncio.wait_for(link.fake.sent.get(), 2)
        assert routing_key == log_name(KEY)
        feed.extend([Text("b")])
        feed.extend([Text("c")])
        await asyncio.sleep(0.01)
        assert link.fake.sent.empty()  # the snapshot is not confirmed yet
        link.fake.confirm()
        assert await link.next() == Batch(1, 1, [Text("bc")])


async def test_a_log_always_holds_a_snapshot() -> None:
    link = FakeLink()
    async with _writing(link) as feed:
        kinds = []
        for _ in range(2 * SNAPSHOT_EVERY + 1):
            feed.extend([Text("a")])
            kinds.append(type(await link.next()))
    assert [number for number, kind in enumerate(kinds) if kind is Snapshot] == [0, SNAPSHOT_EVERY, 2 * SNAPSHOT_EVERY]


async def test_a_new_attempt_begins_with_a_snapshot() -> None:
    link = FakeLink()
    async with _writing(link) as feed:
        await link.next()
        feed.start(2, "m", "provider_drop")
        assert await link.next() == Snapshot(2, "m", [], "provider_drop")


async def test_a_log_that_was_lost_is_made_anew() -> None:
    link = LinkInOutage()
    async with _writing(link) as feed:
        feed.extend([Text("a")])
        await link.next()
        feed.extend([Text("b")])
        await link.sent()
        assert link.calls == 1
        link.fake.lose()
        assert await link.next() == Snapshot(1, "m", [Text("ab")])
        assert link.calls == 2


async def test_one_whose_turn_others_may_have_taken_writes_nothing() -> None:
    link, lease = FakeLink(), Lease()
    async with _writing(link, lease) as feed:
        feed.extend([Text("a")])
        await asyncio.sleep(0.02)
        assert link.fake.sent.empty()
        lease.renew(monotonic())
        assert await link.next() == Snapshot(1, "m", [Text("a")])


async def test_a_log_is_deleted_once_the_broker_is_back() -> None:
    link = LinkInOutage(3)
    await _writer(link, Feed(KEY), attempt=2).delete()
    assert (link.outages, link.calls) == (0, 1)


async def test_a_log_that_is_being_made_when_the_answer_ends_is_deleted_afterwards() -> None:
    calls: list[str] = []
    makes, made = asyncio.Event(), asyncio.Event()

    class Slow(FakeLink):
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
    await asyncio.wait_for(makes.wait(), 2)
    running.cancel()
    deleting = asyncio.create_task(writer.delete())
    await asyncio.sleep(0.01)
    made.set()
    await asyncio.wait_for(deleting, 2)
    assert calls == ["make", "made", "delete"]


async def test_an_answer_that_never_had_a_log_has_none_to_delete() -> None:
    link = LinkInOutage()
    await _writer(link, Feed(KEY)).delete()
    assert link.calls == 0


async def test_a_broker_that_stays_away_does_not_keep_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "DELETE_SECONDS", 0.05)
    link = LinkInOutage(float("inf"))
    await asyncio.wait_for(_writer(link, Feed(KEY), attempt=2).delete(), 2)
    assert link.calls == 0
