"""The turns that run anywhere, known for as long as somebody here watches: by a lookout, which finds all of them in the
store now and then, and by the event bus, which says which turn to ask for at once."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from api.streams.feeds import Feeds
from api.streams.live_feed import fill_from_store
from core.bus.lookout import LINGER_SECONDS, LOOK_SECONDS, Lookout
from core.bus.messages import NARRATOR, BusMessage
from core.model.errors import Closing, NotFound, TooManyStreams
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.reach import Reach
from core.store.store import Store
from core.store.turns.watched import LATE_SECONDS, Look, WatchedTurn
from core.turns.subscribers import Moment

GATHER_SECONDS = 0.02
"""The bus tells of many turns at once; they are asked for together."""
BEGUN = (Moment.CLAIMED, Moment.STARTED, Moment.RESTARTED)


class TurnWatcher(Protocol):
    def may_want(self, message: BusMessage) -> bool: ...

    def consider(self, turn: WatchedTurn) -> None:
        """A turn is there, or is another way than before. It may be told more than once."""
        ...

    def has_seen_all(self, until: float) -> None:
        """What ended before that time, by the database's clock, was told to `consider`."""
        ...

    def close(self, error: Exception) -> None: ...


class LiveTurns:
    """One per process."""

    def __init__(self, store: Store, feeds: Feeds, broker_url: str, max_watchers: int) -> None:
        self._store = store
        self._feeds = feeds
        self._max_watchers = max_watchers
        self._watchers: set[TurnWatcher] = set()
        self._turns: dict[TurnKey, WatchedTurn] = {}
        """Those that are not finished."""
        self._looked_at: float | None = None
        self._asked_for: set[TurnKey] = set()
        self._lookout = Lookout(
            broker_url,
            self._on_message,
            self._look,
            self._forget,
            look_seconds=LOOK_SECONDS,
            linger_seconds=LINGER_SECONDS,
        )
        self._asking: asyncio.TimerHandle | None = None
        self._is_closing = False

    def close(self) -> None:
        """The process shuts down."""
        self._is_closing = True
        for watcher in list(self._watchers):
            watcher.close(Closing())

    async def stop(self) -> None:
        self.close()
        if self._asking is not None:
            self._asking.cancel()
        await self._lookout.stop()

    @contextmanager
    def join(self, watcher: TurnWatcher) -> Iterator[None]:
        """It is told of turns from now on. Raises TooManyStreams, Closing."""
        if self._is_closing:
            raise Closing
        if len(self._watchers) >= self._max_watchers:
            raise TooManyStreams(f"this server has {self._max_watchers} watchers, its limit", retry_after=5)
        self._watchers.add(watcher)
        try:
            with self._lookout.keep():
                yield
        finally:
            self._watchers.discard(watcher)

    async def look(self, since: float | None, reach: Reach) -> Look:
        """For a watcher that joins: at all that is not finished, and what has finished since then. Raises StoreDown."""
        return await self._store.watched.look(since, reach)

    def runs(self, key: TurnKey) -> bool:
        return key in self._turns

    @contextmanager
    def follow(self, turn: WatchedTurn) -> Iterator[Feed]:
        """The feed of a turn that is not finished."""
        with self._feeds.hold(turn.key) as feed:
            yield feed

    async def read(self, turn: WatchedTurn) -> Feed | None:
        """The feed of a turn that has finished; None where it was deleted. Raises StoreDown."""
        try:
            stored = await self._store.turns.get(turn.key)
        except NotFound:
            return None
        feed = Feed(turn.key)
        fill_from_store(feed, stored)
        return feed

    def _forget(self) -> None:
        self._turns, self._looked_at = {}, None

    async def _look(self) -> None:
        since = None if self._looked_at is None else self._looked_at - LATE_SECONDS
        look = await self._store.watched.look(since)
        present = {turn.key for turn in look.turns}
        for key in self._turns.keys() - present:  # deleted, or it came meanwhile: then it is told again
            del self._turns[key]
        for turn in look.turns:
            self._take(turn)
        self._looked_at = look.at
        for watcher in self._watchers:
            watcher.has_seen_all(look.at)

    def _on_message(self, message: BusMessage) -> None:
        if message.moment == NARRATOR:
            return
        key = TurnKey(message.session_id, message.turn)
        known = self._turns.get(key)
        if known is not None and known.status == "running" and message.moment in BEGUN:
            return
        if not any(watcher.may_want(message) for watcher in self._watchers):
            return
        if not self._asked_for:
            self._asking = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._ask)
        self._asked_for.add(key)

    def _ask(self) -> None:
        keys, self._asked_for = self._asked_for, set()
        self._lookout.run("look at turns", self._look_at(keys))

    async def _look_at(self, keys: Iterable[TurnKey]) -> None:
        for turn in await self._store.watched.get(keys):
            self._take(turn)

    def _take(self, turn: WatchedTurn) -> None:
        before = self._turns.get(turn.key)
        if turn.finished:
            self._turns.pop(turn.key, None)
        else:
            self._turns[turn.key] = turn
        if before is None or (before.status, before.owner) != (turn.status, turn.owner):
            for watcher in list(self._watchers):
                watcher.consider(turn)
