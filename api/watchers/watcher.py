"""A watcher: tells all turns that fit its subscriptions over one connection, each as a viewer would see it.

It holds a place in each turn's feed, a few answers that have ended, and one batch of frames at most, however slow its
reader is.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import NamedTuple

import structlog

from api.streams.cursor import Cursor
from api.streams.viewer import PING_SECONDS, Sink
from api.watchers.batches import CATCH_UP_SECONDS, LAG_SECONDS, Batches, Pace
from api.watchers.followed import Followed
from api.watchers.framing import Framing
from api.watchers.live_turns import LiveTurns
from api.watchers.progress import Resumption
from api.watchers.subscriptions import Interest, Subscription, Subscriptions
from api.watchers.writer import Writer
from api.wires.base import Frames, WireContext
from core.background import Background
from core.bus.messages import BusMessage
from core.idle_timer import IdleTimer
from core.model.errors import HopstreamError, SlowReader
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.retry import retry_while_down
from core.store.turns.watched import Look, WatchedTurn

log = structlog.get_logger()

MOST_FOLLOWED = 1_000
"""Streams at once; more wait until some have ended."""
MOST_WAITING = 20_000
"""Whoever is further behind is sent away."""
ENDED_AT_ONCE = 8
"""Turns that had ended when they were met, whose answers are in memory until they are told."""
REMEMBER_SECONDS = 60.0
"""A turn whose end was told may be met again for a while."""


class _Met(NamedTuple):
    """A turn that is to be told."""

    turn: WatchedTurn
    interest: Interest


class _Ended(NamedTuple):
    """A turn whose end was told."""

    at: float
    created_at: float
    """The same key may be another turn's, which is told: of one that was taken back."""


class Watcher:
    def __init__(
        self,
        live_turns: LiveTurns,
        subscriptions: Subscriptions,
        framing: Framing,
        sink: Sink,
        pace: Pace,
        resumption: Resumption | None = None,
    ) -> None:
        self._live_turns = live_turns
        self._subscriptions = subscriptions
        self._framing = framing
        self._writer = Writer(sink)
        self._pace = pace
        self._resumption = resumption
        self._batches = Batches(pace, framing.lagged, self._end)
        self._since = float("inf")
        """A turn that has ended before is no news; by the database's clock."""
        self._running: dict[TurnKey, _Met] = {}
        """To be followed, as soon as there is room."""
        self._ended_unread: dict[TurnKey, _Met] = {}
        """To be read from the store, a few at a time."""
        self._reading: set[TurnKey] = set()
        self._followed: dict[TurnKey, Followed] = {}
        self._ended_untold: set[TurnKey] = set()
        """Followed turns that have ended by the store's word, and not yet as far as the reader was told."""
        self._ended: dict[TurnKey, _Ended] = {}
        self._error: Exception | None = None
        self._closing = asyncio.Event()
        self._background = Background()

    async def run(self) -> None:
        """Until it is cancelled. Raises TooManyStreams, SlowReader, Closing, StoreDown."""
        resumption = self._resumption
        with self._live_turns.join(self):
            try:
                look = await self._look(resumption.since if resumption else None)
                self._since = resumption.since if resumption else look.at
                self._framing.keep_only(turn.key for turn in look.turns)
                await self._writer.write(self._framing.opening())
                if resumption and not look.is_whole:
                    self.say(self._framing.lagged(1, []))
                self._consider_all(look)
                await self._tell_on()
            finally:
                await self._background.stop()
                for followed in self._followed.values():
                    followed.close()

    async def subscribe(self, subscription: Subscription) -> None:
        """Raises TooManySubscriptions, StoreDown."""
        if subscription in self._subscriptions:
            return
        look = await self._look(None)
        self._subscriptions.add(subscription)
        self._leave_unwanted()
        self._consider_all(look)

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.remove(subscription)
        self._leave_unwanted()

    def say(self, frames: Frames) -> None:
        """Of the connection itself, with the next batch. Raises SlowReader."""
        self._batches.say(frames)

    def may_want(self, message: BusMessage) -> bool:
        """Not of a turn that is followed: its feed tells the rest."""
        is_followed = TurnKey(message.session_id, message.turn) in self._followed
        return not is_followed and self._subscriptions.may_fit(message)

    def consider(self, turn: WatchedTurn) -> None:
        key = turn.key
        if key in self._followed:
            if turn.finished:
                self._ended_untold.add(key)
            return
        if key in self._reading or self._has_told_end(turn) or (turn.finished and self._is_old(turn)):
            return
        was_met = self._running.pop(key, None) or self._ended_unread.pop(key, None)
        is_in_view = was_met is not None or (self._resumption is not None and self._resumption.names(turn))
        interest = self._subscriptions.interest(turn, is_in_view=is_in_view)
        if interest is None:
            return
        (self._ended_unread if turn.finished else self._running)[key] = _Met(turn, interest)
        if len(self._running) + len(self._ended_unread) > MOST_WAITING:
            self.close(SlowReader("too many streams wait to be told"))
        self._follow_more()

    def has_seen_all(self, until: float) -> None:
        long_ago = monotonic() - REMEMBER_SECONDS
        for key, ended in list(self._ended.items()):
            if ended.at < long_ago and not self._live_turns.runs(key):
                del self._ended[key]
        if not any(self._untold_ends()):
            self._framing.complete_to(until)

    def close(self, error: Exception) -> None:
        self._error = self._error or error
        self._closing.set()
        self._batches.news.set()
        self._writer.interrupt()

    async def _look(self, since: float | None) -> Look:
        return await self._live_turns.look(since, self._subscriptions.reach)

    def _untold_ends(self) -> Iterator[bool]:
        """What keeps it from having told all ends that there were."""
        yield self._since == float("inf")
        yield bool(self._ended_unread or self._reading or self._ended_untold)
        yield from (followed.is_over for followed in self._followed.values())

    def _has_told_end(self, turn: WatchedTurn) -> bool:
        ended = self._ended.get(turn.key)
        return ended is not None and ended.created_at == turn.created_at

    def _is_old(self, turn: WatchedTurn) -> bool:
        has_ended_before = (turn.finished_at or 0) < self._since
        return has_ended_before or (self._resumption is not None and self._resumption.has_told_end(turn))

    def _consider_all(self, look: Look) -> None:
        for turn in look.turns:
            self.consider(turn)
        self.has_seen_all(look.at)

    def _leave_unwanted(self) -> None:
        for followed in list(self._followed.values()):
            if not self._subscriptions.keeps(followed.turn):
                self._leave(followed)
                self._framing.forget(followed.turn.key)
        for met in (self._running, self._ended_unread):
            for key, (turn, _) in list(met.items()):
                if not self._subscriptions.keeps(turn):
                    del met[key]
        self._follow_more()

    def _follow_more(self) -> None:
        while self._running and len(self._followed) < MOST_FOLLOWED:
            turn, _ = self._running.pop(next(iter(self._running)))
            self._follow(turn, self._live_turns.follow(turn))
        while self._ended_unread and len(self._reading) < ENDED_AT_ONCE:
            met = self._ended_unread.pop(next(iter(self._ended_unread)))
            self._reading.add(met.turn.key)
            self._background.run(f"read {met.turn.key}", self._read(met))

    async def _read(self, met: _Met) -> None:
        """It counts as being read until its end was told, because its answer is in memory."""
        turn = met.turn
        try:
            feed = await retry_while_down(lambda: self._live_turns.read(turn))
        except Exception as error:
            log.error("turn not read", action="watcher.not_read", session_id=turn.key.session_id, exc_info=error)
            feed = Feed(turn.key)
            feed.fail(HopstreamError("the answer cannot be read"))
        if feed is None or not self._subscriptions.keeps(turn):
            self._reading.discard(turn.key)
            self._follow_more()
            return
        end = Cursor(turn.key.turn, feed.attempt, len(feed.tape))
        self._follow(turn, nullcontext(feed), None if met.interest.from_start else end)

    def _follow(self, turn: WatchedTurn, holding: AbstractContextManager[Feed], cursor: Cursor | None = None) -> None:
        resumed = self._resumption.take(turn) if self._resumption is not None else None
        wire = self._framing.wire(WireContext.of(turn), has_started=resumed is not None)
        followed = Followed(turn, holding, resumed or cursor, wire, self._on_change)
        self._followed[turn.key] = followed
        self._batches.add(followed, CATCH_UP_SECONDS)

    def _on_change(self, followed: Followed) -> None:
        """Called with every change of a feed."""
        self._batches.add(followed)
        if followed.is_over and self._writer.stalled_seconds > LAG_SECONDS:
            asyncio.get_running_loop().call_soon(followed.settle)  # the feed is amid telling of its end

    def _end(self, followed: Followed) -> None:
        """Its end was told."""
        key = followed.turn.key
        self._ended[key] = _Ended(monotonic(), followed.turn.created_at)
        self._leave(followed)
        self._follow_more()

    def _leave(self, followed: Followed) -> None:
        key = followed.turn.key
        self._batches.remove(followed)
        self._followed.pop(key, None)
        self._reading.discard(key)
        self._ended_untold.discard(key)
        followed.close()

    async def _tell_on(self) -> None:
        batches = self._batches
        with IdleTimer(PING_SECONDS, batches.news.set) as idle_timer:
            while True:
                await batches.news.wait()
                await self._gather()
                if self._error is not None:
                    raise self._error
                frames = batches.next() or (self._framing.ping() if idle_timer.is_idle else [])
                if frames:
                    idle_timer.touch()
                    await self._write(frames)

    async def _gather(self) -> None:
        """Wait for more that is new, but not when a process closes."""
        if self._batches.is_full:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(self._pace.gather_seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _write(self, frames: Frames) -> None:
        try:
            await self._writer.write(frames)
        except SlowReader as error:
            raise self._error or error from None
