"""A watcher: tells all turns that fit its subscriptions over one connection, each as a viewer would see it.

It holds a place in each turn's feed and one batch of frames at most, however slow its reader is.
"""

import asyncio
from contextlib import AbstractContextManager, nullcontext, suppress
from time import monotonic
from typing import NamedTuple

from api.streams.cursor import Cursor
from api.streams.viewer import PING_SECONDS, Sink
from api.watchers.batches import CATCH_UP_SECONDS, LAG_SECONDS, Batches, Pace
from api.watchers.followed import Followed
from api.watchers.live_turns import LiveTurns
from api.watchers.places import Resumption
from api.watchers.subscriptions import Interest, Subscription, Subscriptions
from api.watchers.voice import Voice
from api.wires.base import Frames, WireContext
from core.background import Background
from core.bus.messages import BusMessage
from core.idle_timer import IdleTimer
from core.model.errors import SlowReader
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.retry import retry_while_down
from core.store.turns.watched import Look, WatchedTurn

WRITE_SECONDS = 30.0
"""For a reader to make room for the next batch. Whoever takes nothing for so long has gone, or never meant to read."""
MOST_FOLLOWED = 1_000
"""Streams at once; more wait until some have ended."""
MOST_UNTOLD = 5_000
"""Streams that wait to be followed, or whose end could not be told yet. Whoever is further behind is sent away."""
READ_AT_ONCE = 4
"""Finished turns that are read from the store for one watcher."""
REMEMBER_SECONDS = 60.0
"""A turn whose end was told may be met again for a while."""


class _Waiting(NamedTuple):
    turn: WatchedTurn
    interest: Interest


class _Told(NamedTuple):
    at: float
    created_at: float
    """When the turn was."""


class Watcher:
    def __init__(
        self,
        live_turns: LiveTurns,
        subscriptions: Subscriptions,
        voice: Voice,
        sink: Sink,
        pace: Pace,
        resumption: Resumption | None = None,
    ) -> None:
        self._live_turns = live_turns
        self._subscriptions = subscriptions
        self._voice = voice
        self._sink = sink
        self._pace = pace
        self._resumption = resumption
        self._batches = Batches(pace, voice.lagged, self._end)
        self._since = float("inf")
        """A turn that has ended before is no news; by the database's clock."""
        self._followed: dict[TurnKey, Followed] = {}
        self._waiting: dict[TurnKey, _Waiting] = {}
        """To be followed."""
        self._reading: set[TurnKey] = set()
        """Turns that have finished, and are being read from the store."""
        self._told: dict[TurnKey, _Told] = {}
        """Turns whose end was told."""
        self._sending_since: float | None = None
        """None while the reader keeps up."""
        self._error: Exception | None = None
        self._closing = asyncio.Event()
        self._read_slots = asyncio.Semaphore(READ_AT_ONCE)
        self._background = Background()

    async def run(self) -> None:
        """Until it is cancelled. Raises TooManyStreams, SlowReader, Closing, StoreDown."""
        resumption = self._resumption
        with self._live_turns.join(self):
            try:
                look = await self._live_turns.look(resumption.since if resumption else None)
                self._since = resumption.since if resumption else look.at
                await self._sink.send(self._voice.opening())
                self._consider_all(look)
                await self._tell_on()
            finally:
                await self._background.stop()
                for followed in self._followed.values():
                    followed.close()

    async def subscribe(self, subscription: Subscription) -> None:
        """Raises TooManySubscriptions, StoreDown."""
        self._subscriptions.add(subscription)
        self._leave_unwanted()
        self._consider_all(await self._live_turns.look(None))

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.remove(subscription)
        self._leave_unwanted()

    def say(self, frames: Frames) -> None:
        """Of the connection itself, with the next batch."""
        self._batches.say(frames)

    def may_want(self, message: BusMessage) -> bool:
        return self._subscriptions.may_fit(message)

    def consider(self, turn: WatchedTurn) -> None:
        key = turn.key
        if key in self._followed or key in self._reading or self._has_told_end(turn):
            return
        if turn.finished and self._is_old(turn):
            return
        interest = self._subscriptions.interest(turn)
        if interest is None:
            self._waiting.pop(key, None)
            return
        self._waiting[key] = _Waiting(turn, interest)
        if len(self._waiting) > MOST_UNTOLD:
            self.close(SlowReader("too many streams wait to be told"))
        self._follow_waiting()

    def has_seen_all(self, until: float) -> None:
        forgotten = monotonic() - REMEMBER_SECONDS
        for key in [key for key, told in self._told.items() if told.at < forgotten]:
            del self._told[key]
        if not self._waiting and not self._reading:
            self._voice.told_to(until)

    def close(self, error: Exception) -> None:
        self._error = self._error or error
        self._closing.set()
        self._batches.news.set()

    def _has_told_end(self, turn: WatchedTurn) -> bool:
        """A session that was deleted and made anew has the same turns: those are told."""
        told = self._told.get(turn.key)
        return told is not None and told.created_at == turn.created_at

    def _is_old(self, turn: WatchedTurn) -> bool:
        has_ended_before = (turn.finished_at or 0) < self._since
        return has_ended_before or (self._resumption is not None and self._resumption.has_told_end(turn.key))

    def _consider_all(self, look: Look) -> None:
        for turn in look.turns:
            self.consider(turn)
        self.has_seen_all(look.at)

    def _leave_unwanted(self) -> None:
        for followed in list(self._followed.values()):
            if not self._subscriptions.keeps(followed.turn):
                self._leave(followed)
        for key, waiting in list(self._waiting.items()):
            if self._subscriptions.interest(waiting.turn) is None:
                del self._waiting[key]
        self._follow_waiting()

    def _follow_waiting(self) -> None:
        while self._waiting and len(self._followed) + len(self._reading) < MOST_FOLLOWED:
            key = next(iter(self._waiting))
            turn, interest = self._waiting.pop(key)
            if not turn.finished:
                self._follow(turn, self._live_turns.follow(turn))
            else:
                self._reading.add(key)
                self._background.run(f"read {key}", self._read(turn, interest))

    async def _read(self, turn: WatchedTurn, interest: Interest) -> None:
        async with self._read_slots:
            feed = await retry_while_down(lambda: self._live_turns.read(turn))
        self._reading.discard(turn.key)
        if feed is not None and self._subscriptions.keeps(turn):
            end = Cursor(turn.key.turn, feed.attempt, len(feed.tape))
            self._follow(turn, nullcontext(feed), None if interest.from_start else end)
        self._follow_waiting()

    def _follow(self, turn: WatchedTurn, holding: AbstractContextManager[Feed], cursor: Cursor | None = None) -> None:
        resumed = self._resumption.cursor(turn.key) if self._resumption is not None else None
        wire = self._voice.wire(WireContext.of(turn), has_started=resumed is not None)
        followed = Followed(turn, holding, resumed or cursor, wire, self._on_change)
        self._followed[turn.key] = followed
        self._batches.add(followed, CATCH_UP_SECONDS)

    def _on_change(self, followed: Followed) -> None:
        """Called with every change of a feed."""
        self._batches.add(followed)
        if self._sending_since is not None and followed.is_over:
            self._on_end_unheard(followed, self._sending_since)

    def _on_end_unheard(self, followed: Followed, sending_since: float) -> None:
        if monotonic() - sending_since > LAG_SECONDS:
            asyncio.get_running_loop().call_soon(followed.settle)  # the feed is amid telling of its end
            if len(self._batches) > MOST_UNTOLD:
                self.close(SlowReader("the ends of too many streams wait to be told"))

    def _end(self, followed: Followed) -> None:
        self._told[followed.turn.key] = _Told(monotonic(), followed.turn.created_at)
        self._leave(followed)
        self._follow_waiting()

    def _leave(self, followed: Followed) -> None:
        self._batches.remove(followed)
        self._followed.pop(followed.turn.key, None)
        followed.close()

    async def _tell_on(self) -> None:
        batches = self._batches
        with IdleTimer(PING_SECONDS, batches.news.set) as idle_timer:
            while True:
                await batches.news.wait()
                await self._gather()
                if self._error is not None:
                    raise self._error
                frames = batches.next() or (self._voice.ping() if idle_timer.is_idle else [])
                if frames:
                    idle_timer.touch()
                    await self._send(frames)

    async def _gather(self) -> None:
        """Wait for more that is new, but not when a process closes."""
        if self._batches.is_full:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.gather_seconds):
                await self._closing.wait()

    async def _send(self, frames: Frames) -> None:
        if self._sink.is_ready:
            self._sink.write(frames)
            return
        self._sending_since = monotonic()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._sink.send(frames)
        except TimeoutError:
            raise SlowReader("the reader has taken nothing for too long") from None
        self._sending_since = None
