"""The task that fills a feed: it is there for a running turn alone."""

import asyncio
from typing import cast

import pytest

from api.streams.inbox import Inbox, Subscription
from api.streams.live_feed import LiveFeed
from core.broker.connection import BrokerConnection
from core.model.events import Done
from core.model.keys import TurnKey
from core.model.parts import Text
from core.model.tape import Tape
from core.store.store import Store
from core.store.turns.records import NewTurn, Turn
from tests.patience import PATIENCE_SECONDS
from tests.unit.fake_connection import FakeConnection

pytestmark = pytest.mark.anyio

OWNER = "worker-here-1-a"


class FakeInbox:
    up = True

    async def subscribe(self, key: TurnKey, subscription: Subscription) -> None: ...

    async def unsubscribe(self, key: TurnKey) -> None: ...


async def test_a_feed_that_is_over_is_forgotten_whoever_still_reads_it(store: Store) -> None:
    """A session that is deleted and made anew has the same turns: its viewers must not get the old answer."""
    new = NewTurn(session_id="s", mode="queue", model="m", message="hi", options={})
    key = (await store.turns.create(new)).turn.key
    assert isinstance(await store.ownership.claim(key, OWNER), Turn)
    await store.ownership.finish(key, OWNER, Tape([Text("old")]), Done(1, 3, "stop"))
    forgotten = asyncio.Event()
    inbox, logs = cast(Inbox, FakeInbox()), cast(BrokerConnection, FakeConnection())
    filled = LiveFeed(key, store, inbox, logs, lambda *_: None, forgotten.set, is_new=False)
    filled.enter()
    await asyncio.wait_for(forgotten.wait(), PATIENCE_SECONDS)
    assert (filled.feed.tape.text(), filled.feed.end) == ("old", Done(1, 3, "stop"))
    filled.leave()
