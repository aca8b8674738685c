"""The publisher: one batch on its way at a time, its loss noticed at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import cast

import pytest

from core.broker.bundle import BUNDLE, decode_bundle
from core.broker.connection import BrokerConnection
from core.model.events import Batch, Done, Snapshot, Start, decode
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Text
from core.turns import publisher
from core.turns.lease import Lease
from core.turns.publisher import EARLY_LENGTH, Outbox, Publisher
from core.turns.ticks import TickScheduler
from tests.patience import PATIENCE_SECONDS
from tests.unit.fake_connection import FakeConnection
from tests.unit.leases import lasting_lease

pytestmark = pytest.mark.anyio

KEY = TurnKey("s", 1)
LONG = "x" * EARLY_LENGTH


class Busy(TickScheduler):
    is_busy = True


def _publisher(
    connection: FakeConnection,
    feed: Feed,
    outbox: Outbox | None = None,
    ticks: TickScheduler | None = None,
    lease: Lease | None = None,
) -> Publisher:
    lease = lease or lasting_lease()
    real = cast(BrokerConnection, connection)
    outbox = outbox or Outbox(real)
    return Publisher(feed, real, outbox, lease, ticks or TickScheduler(), logged_to=lambda: len(feed.tape))


@asynccontextmanager
async def _publishing(connection: FakeConnection, text: str = LONG) -> AsyncIterator[Feed]:
    """The feed of a turn of which so much is out."""
    feed = Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_publisher(connection, feed).run())
    assert await connection.next() == Start(1, "m")
    if text:
        feed.extend([Text(text)])
        await connection.next()
    yield feed
    task.cancel()
    await asyncio.wait([task])


async def test_what_gathers_while_a_batch_is_on_its_way_is_the_next_batch() -> None:
    connection = FakeConnection()
    async with _publishing(connection) as feed:
        feed.extend([Text("a")])
        assert await connection.sent() == Batch(1, EARLY_LENGTH, [Text("a")])
        feed.extend([Text("b")])
        feed.extend([Text("c")])
        await asyncio.sleep(0)
        assert connection.fake.sent.empty()
        connection.fake.confirm()
        assert await connection.next() == Batch(1, EARLY_LENGTH + 1, [Text("b"), Text("c")])


async def test_an_answer_is_told_whole_while_it_is_short() -> None:
    connection = FakeConnection()
    async with _publishing(connection, "") as feed:
        feed.extend([Text("a")])
        assert await connection.next() == Snapshot(1, "m", [Text("a")])
        feed.extend([Text("b")])
        assert await connection.next() == Snapshot(1, "m", [Text("ab")], None, [1, 1])
        feed.extend([Text(LONG)])
        assert await connection.next() == Batch(1, 2, [Text(LONG)])


async def test_a_batch_that_is_lost_while_the_model_is_silent_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    connection = FakeConnection()
    async with _publishing(connection) as feed:
        feed.extend([Text("a")])
        await connection.sent()
        connection.fake.lose()
        assert await connection.next() == Snapshot(1, "m", [Text(LONG + "a")], None, [len(LONG), 1])
        feed.extend([Text("b")])
        assert await connection.next() == Batch(1, EARLY_LENGTH + 1, [Text("b")])


async def test_it_is_done_once_the_end_is_confirmed() -> None:
    connection, feed = FakeConnection(), Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_publisher(connection, feed).run())
    await connection.next()
    feed.extend([Text("a")])
    feed.finish(end := Done(1, 1, "stop"))
    assert [await connection.next(), await connection.sent()] == [Snapshot(1, "m", [Text("a")]), end]
    await asyncio.sleep(0)
    assert not task.done()
    connection.fake.confirm()
    await asyncio.wait_for(task, PATIENCE_SECONDS)


async def test_an_end_that_is_lost_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    connection, feed = FakeConnection(), Feed(KEY)
    feed.start(1, "m")
    task = asyncio.create_task(_publisher(connection, feed).run())
    await connection.next()
    feed.finish(end := Done(1, 0, "stop"))
    assert await connection.sent() == end
    connection.fake.lose()
    assert [await connection.next(), await connection.next()] == [Snapshot(1, "m", []), end]
    await asyncio.wait_for(task, PATIENCE_SECONDS)


async def test_under_load_the_batches_of_all_turns_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    connection = FakeConnection()
    outbox, ticks = Outbox(cast(BrokerConnection, connection)), Busy()
    feeds = [Feed(TurnKey(name, 1)) for name in "abc"]
    tasks = [asyncio.create_task(_publisher(connection, feed, outbox, ticks).run()) for feed in feeds]
    for feed in feeds:
        feed.start(1, "m")
        feed.extend([Text(LONG + "x")])
    for _ in feeds:
        assert await connection.next() == Start(1, "m")
    for _ in ("confirmed", "lost"):
        routing_key, body = await connection.fake.next()
        assert routing_key == BUNDLE
        batches = {key: decode(event) for key, event in decode_bundle(body).items()}
        position = len(feeds[0].tape) - EARLY_LENGTH - 1
        assert batches == {f"{name}.1": Batch(1, position, [Text(LONG + "x")]) for name in "abc"}
        if not position:
            connection.fake.confirm()
            for feed in feeds:
                feed.extend([Text(LONG + "x")])
    connection.fake.lose()
    for _ in feeds:  # whoever loses a bundle loses it for all
        assert await connection.next() == Snapshot(1, "m", [Text((LONG + "x") * 2)], None, [len(LONG) + 1] * 2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_turn_that_leaves_takes_no_other_with_it() -> None:
    connection, ticks = FakeConnection(), Busy()
    outbox = Outbox(cast(BrokerConnection, connection))
    feeds = [Feed(TurnKey(name, 1)) for name in "ab"]
    leaving, staying = (asyncio.create_task(_publisher(connection, feed, outbox, ticks).run()) for feed in feeds)
    for feed in feeds:
        feed.start(1, "m")
        feed.extend([Text(LONG + "x")])
    assert [await connection.next(), await connection.next()] == [Start(1, "m")] * 2
    await connection.fake.next()
    leaving.cancel()
    await asyncio.wait([leaving])
    for feed in feeds:
        feed.extend([Text("y")])
    connection.fake.confirm()
    routing_key, body = await connection.fake.next()
    assert (routing_key, list(decode_bundle(body))) == (BUNDLE, ["b.1"])
    staying.cancel()
    await asyncio.wait([staying])


async def test_a_broker_that_is_down_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    connection = FakeConnection()
    async with _publishing(connection) as feed:
        connection.is_down = True
        feed.extend([Text("a")])
        while connection.refused < 2:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0)
        connection.is_down = False
        assert await connection.next() == Snapshot(1, "m", [Text(LONG + "a")], None, [len(LONG), 1])


async def test_one_whose_turn_others_may_have_taken_publishes_nothing() -> None:
    connection, feed, lease = FakeConnection(), Feed(KEY), Lease()
    task = asyncio.create_task(_publisher(connection, feed, lease=lease).run())
    feed.start(1, "m")
    await asyncio.sleep(0.01)
    assert connection.fake.sent.empty()
    lease.renew(monotonic())
    assert await connection.next() == Start(1, "m")
    task.cancel()
    await asyncio.wait([task])
