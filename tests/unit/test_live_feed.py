"""The task that fills a feed: it is there for a running turn alone."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.streams.direct_publishing import DirectPublishing
from api.streams.feeds import Feeds
from api.streams.inbox import FeedSubscription, Inbox
from api.streams.live_feed import LiveFeed
from core.broker.connection import BrokerConnection
from core.model.events import Done
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Text
from core.model.tape import Tape
from core.store.store import Store
from core.store.turns.records import NewTurn, Turn
from tests.patience import PATIENCE_SECONDS
from tests.unit.fake_connection import FakeConnection
from tests.unit.narrator.conftest import NO_BROKER

pytestmark = pytest.mark.anyio

OWNER = "worker-here-1-a"
API = "api-here-1-a"


class FakeInbox:
    up = True

    async def subscribe(self, key: TurnKey, subscription: FeedSubscription) -> None: ...

    async def unsubscribe(self, key: TurnKey) -> None: ...


class Own:
    """The direct turns of this process."""

    def __init__(self) -> None:
        self.feed: Feed | None = None
        self.asked: list[str] = []

    def own_feed(self, _: TurnKey) -> Feed | None:
        return self.feed

    def ask(self, _: TurnKey, owner: str) -> None:
        self.asked.append(owner)


async def test_a_feed_that_is_over_is_forgotten_whoever_still_reads_it(store: Store) -> None:
    """A session that is deleted and made anew has the same turns: its viewers must not get the old answer."""
    new = NewTurn(session_id="s", mode="queue", model="m", message="hi", options={})
    key = (await store.turns.create(new)).turn.key
    assert isinstance(await store.ownership.claim(key, OWNER), Turn)
    await store.ownership.finish(key, OWNER, Tape([Text("old")]), Done(1, 3, "stop"))
    forgotten = asyncio.Event()
    inbox, logs = cast(Inbox, FakeInbox()), cast(BrokerConnection, FakeConnection())
    filled = LiveFeed(key, store, inbox, logs, Own(), forgotten.set, is_new=False)
    filled.enter()
    await asyncio.wait_for(forgotten.wait(), PATIENCE_SECONDS)
    assert (filled.feed.tape.text(), filled.feed.end) == ("old", Done(1, 3, "stop"))
    filled.leave()


@pytest.fixture
async def waiting(store: Store) -> TurnKey:
    """A direct turn of this process behind one that runs."""
    for mode, owner in (("queue", None), ("direct", API)):
        asked: dict[str, Any] = {"mode": mode, "owner": owner, "may_wait": True}
        created = await store.turns.create(NewTurn(session_id="s", model="m", message="hi", options={}, **asked))
    return created.turn.key


async def test_nobody_is_asked_about_a_turn_that_waits_and_it_is_told_once_it_runs_here(
    store: Store, waiting: TurnKey
) -> None:
    own, forgotten = Own(), asyncio.Event()
    inbox, logs = cast(Inbox, FakeInbox()), cast(BrokerConnection, FakeConnection())
    live = LiveFeed(waiting, store, inbox, logs, own, forgotten.set, is_new=False)
    live.enter()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not live.waits:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert live.feed.queue_position is None
    await store.turns.request_cancel("s", 1)
    assert await store.waiting.start_next("s", API) is not None
    own.feed = Feed(waiting)
    own.feed.start(1, "m")
    live.refill()
    with live.feed.watch() as changed:
        for text in ("a", "b"):
            own.feed.extend([Text(text)])
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not live.feed.tape.text().endswith(text):
                    changed.clear()
                    await changed.wait()
    own.feed.finish(Done(1, 2, "stop"))
    await asyncio.wait_for(forgotten.wait(), PATIENCE_SECONDS)
    assert (live.feed.tape.text(), live.feed.end, own.asked) == ("ab", Done(1, 2, "stop"), [])


async def test_the_store_is_not_asked_again_and_again_for_a_turn_that_waits(
    store: Store, waiting: TurnKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    refilled: list[TurnKey] = []
    monkeypatch.setattr(LiveFeed, "refill", lambda live: refilled.append(live.feed.key))
    monkeypatch.setattr(LiveFeed, "waits", True)
    connection = cast(BrokerConnection, FakeConnection())
    direct = cast(DirectPublishing, SimpleNamespace(own_key="", on_request=None, own_feed=lambda _: None))
    feeds = Feeds(store, NO_BROKER, connection, direct)
    with feeds.hold(waiting) as feed:
        await feeds._poll_store()
        assert (refilled, feed.queue_position) == ([], None)
        await store.turns.request_cancel("s", 1)
        await store.waiting.start_next("s", API)
        await feeds._poll_store()
        assert refilled == [waiting]
    await feeds.stop()
