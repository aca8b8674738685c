"""The publisher: one batch on its way at a time, its loss noticed at once, its log deleted after all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, cast

import pytest

from core.broker.link import Link, broker_down
from core.events import Batch, Done, Event, Snapshot, Start, decode
from core.feed import Feed
from core.keeper import Lease
from core.keys import TurnKey
from core.tape import Text
from workers import publisher
from workers.publisher import Publisher

pytestmark = pytest.mark.anyio

KEY = TurnKey("s", 1)


class FakeLane:
    """Keeps what was published, and confirms it when told to."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Event] = asyncio.Queue()
        self.unconfirmed: list[asyncio.Future[None]] = []

    def publish(self, body: bytes, *_: str, **__: bool) -> asyncio.Future[None]:
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unconfirmed.append(confirmed)
        self.sent.put_nowait(decode(body))
        return confirmed

    def confirm(self) -> None:
        for confirmed in self.unconfirmed:
            confirmed.set_result(None)
        self.unconfirmed.clear()

    def lose(self) -> None:
        for confirmed in self.unconfirmed:
            confirmed.set_exception(ConnectionError("lost"))
            confirmed.exception()
        self.unconfirmed.clear()


class FakeLink:
    def __init__(self) -> None:
        self.fake = FakeLane()

    def lane(self) -> FakeLane:
        return self.fake

    async def call(self, work: Any, about: str) -> None: ...

    async def wait_up(self) -> None: ...

    async def next(self) -> Event:
        """The next event; with its confirm."""
        event = await asyncio.wait_for(self.fake.sent.get(), 2)
        self.fake.confirm()
        return event


class LinkInOutage(FakeLink):
    """Down for so many calls."""

    def __init__(self, outages: float) -> None:
        super().__init__()
        self.outages = outages
        self.deleted = 0

    async def call(self, work: Any, about: str) -> None:
        if self.outages:
            self.outages -= 1
            raise broker_down()
        self.deleted += 1

    async def wait_up(self) -> None:
        await asyncio.sleep(0)


def _publisher(link: FakeLink, feed: Feed | None = None) -> Publisher:
    lease = Lease()
    lease.renew(monotonic())
    return Publisher(feed or Feed(KEY), cast(Link, link), lease, 1)


@asynccontextmanager
async def _publishing(link: FakeLink) -> AsyncIterator[Feed]:
    """The feed of a turn that has started, and whose start is out."""
    feed = Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_publisher(link, feed).run())
    assert await link.next() == Start(1, "m")
    yield feed
    task.cancel()
    await asyncio.wait([task])


async def test_what_gathers_while_a_batch_is_on_its_way_is_the_next_batch() -> None:
    link = FakeLink()
    async with _publishing(link) as feed:
        feed.extend([Text("a")])
        assert await link.fake.sent.get() == Batch(1, 0, [Text("a")])
        feed.extend([Text("b")])
        feed.extend([Text("c")])
        await asyncio.sleep(0)
        assert link.fake.sent.empty()
        link.fake.confirm()
        assert await link.next() == Batch(1, 1, [Text("bc")])


async def test_a_batch_that_is_lost_while_the_model_is_silent_is_made_up_for() -> None:
    link = FakeLink()
    async with _publishing(link) as feed:
        feed.extend([Text("a")])
        await link.fake.sent.get()
        link.fake.lose()
        assert await link.next() == Snapshot(1, "m", [Text("a")])
        feed.extend([Text("b")])
        assert await link.next() == Batch(1, 1, [Text("b")])


async def test_it_is_done_once_the_end_is_confirmed() -> None:
    link, feed = FakeLink(), Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_publisher(link, feed).run())
    await link.next()
    feed.extend([Text("a")])
    feed.finish(end := Done(1, 1, "stop"))
    assert [await link.next(), await link.fake.sent.get()] == [Batch(1, 0, [Text("a")]), end]
    await asyncio.sleep(0)
    assert not task.done()
    link.fake.confirm()
    await asyncio.wait_for(task, 2)


async def test_an_end_that_is_lost_is_told_again() -> None:
    link, feed = FakeLink(), Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_publisher(link, feed).run())
    await link.next()
    feed.finish(end := Done(1, 0, "stop"))
    assert await link.fake.sent.get() == end
    link.fake.lose()
    assert [await link.next(), await link.next()] == [Snapshot(1, "m", []), end]
    await asyncio.wait_for(task, 2)


async def test_a_log_is_deleted_once_the_broker_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    link = LinkInOutage(3)
    await _publisher(link).delete_log()
    assert (link.outages, link.deleted) == (0, 1)


async def test_a_broker_that_stays_away_does_not_keep_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(publisher, "DELETE_SECONDS", 0.05)
    link = LinkInOutage(float("inf"))
    await asyncio.wait_for(_publisher(link).delete_log(), 2)
    assert link.deleted == 0
