"""Feeds of the running turns that somebody watches in this process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from aiormq.abc import AbstractChannel

from api.streams.direct_publishing import ASK_SECONDS, DirectPublishing
from api.streams.inbox import Inbox
from api.streams.inbox_check import CHECK_SECONDS, InboxCheck
from api.streams.live_feed import LiveFeed
from core.background import Background
from core.broker.connection import BrokerConnection
from core.model.errors import Closing, StoreDown
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.store import Store

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""How often the store is asked about all feeds: places in the queue, and ends whose event was lost."""
POLL_SLICE = 100
"""Feeds at a time: when the queue moves, all who wait are told, and tokens must not wait for that."""


class Feeds:
    def __init__(self, store: Store, broker_url: str, sender: BrokerConnection, direct: DirectPublishing) -> None:
        """`sender`: the connection that publishes, here to see that the inbox hears."""
        self._store = store
        self._direct = direct
        self._inbox = Inbox(broker_url, self._on_renewed, direct.own_key, direct.on_request)
        self._inbox_check = InboxCheck(self._inbox, sender)
        # Logs are read on a connection of their own, so that an accident there cannot cost the inbox.
        self._logs = BrokerConnection(broker_url, "hopstream logs", _nothing)
        self._live: dict[TurnKey, LiveFeed] = {}
        self._background = Background()
        self._closing = False

    @property
    def up(self) -> bool:
        return self._inbox.up and self._logs.up

    @property
    def dead(self) -> bool:
        """The inbox hears nothing though it should, for long: only a new process helps."""
        return self._inbox_check.dead

    def start(self) -> None:
        self._inbox.start()
        self._logs.start()
        self._background.repeat("store poll", self._poll_store, pause_seconds=POLL_SECONDS, put_off_by=(StoreDown,))
        self._background.repeat("direct turns that are watched", self._ask_on, pause_seconds=ASK_SECONDS)
        self._background.repeat("inbox check", self._inbox_check.check, pause_seconds=CHECK_SECONDS)

    async def stop(self) -> None:
        await self._background.stop()
        self.end_all()
        await asyncio.gather(*(live.stop() for live in list(self._live.values())))
        await self._inbox.stop()
        await self._logs.stop()

    def end_all(self) -> None:
        """The process shuts down: end every stream, so that its client resumes elsewhere."""
        self._closing = True
        self._inbox.leave()
        for live in self._live.values():
            _closed(live.feed)

    def expect(self, key: TurnKey, queue_position: int) -> None:
        """A turn was queued here, so its stream will be asked for here next: hear it from its start. Then there is
        nothing to fill when the viewer comes, and no log to read."""
        if not self._closing:
            self._live_feed(key, is_new=True).feed.set_queue_position(queue_position)

    def begun(self, key: TurnKey) -> None:
        """A direct turn that waited runs in this process from now on."""
        live = self._live.get(key)
        if live is not None:
            live.refill()

    @asynccontextmanager
    async def attach(self, key: TurnKey) -> AsyncIterator[Feed]:
        """`hold`, for an `async with`."""
        with self.hold(key) as feed:
            yield feed

    @contextmanager
    def hold(self, key: TurnKey) -> Iterator[Feed]:
        """The feed of a turn that is not finished, shared by all who follow it here."""
        own_feed = self._direct.own_feed(key)
        if own_feed is not None:
            yield own_feed
            return
        if self._closing:
            yield _closed(Feed(key))
            return
        live = self._live_feed(key)
        live.enter()
        try:
            yield live.feed
        finally:
            live.leave()

    def _live_feed(self, key: TurnKey, *, is_new: bool = False) -> LiveFeed:
        live = self._live.get(key)
        if live is None:

            def forget() -> None:
                del self._live[key]

            live = LiveFeed(key, self._store, self._inbox, self._logs, self._direct, forget, is_new=is_new)
            self._live[key] = live
        return live

    def _on_renewed(self) -> None:
        for live in self._live.values():
            live.hear_anew()

    async def _ask_on(self) -> None:
        live_feeds = self._live.items()
        self._direct.ask_on((key, live.owner) for key, live in live_feeds if live.owner and not live.feed.is_over)

    async def _poll_store(self) -> None:
        known = list(self._live.items())
        if not known:
            return
        places = await self._store.turns.places()
        for number, (key, live) in enumerate(known):
            if number % POLL_SLICE == 0:
                await asyncio.sleep(0)
            place = places.get(key)
            if key not in places or (live.waits and place is not None):  # its end, or its beginning, was not heard
                live.refill()
            elif place:
                live.feed.set_queue_position(place)


def _closed(feed: Feed) -> Feed:
    feed.fail(Closing())
    return feed


async def _nothing(_: AbstractChannel) -> None:
    """The connection for logs opens a channel for each reading."""
