"""Batches: which streams of a watcher's have something new, and what of it goes to its reader at once."""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import NamedTuple

from api.watchers.followed import Followed, Told
from api.wires.base import Frames
from core.model.keys import TurnKey

LAG_SECONDS = 5.0
"""A stream that waits so long to be told is passed over, up to its newest."""
CATCH_UP_SECONDS = 60.0
"""The same for one that was just met, with all that it has said so far."""
BATCH_BYTES = 262_144
"""Of frames at once, one stream's more at most: so much of a slow reader's is in memory."""

Lagged = Callable[[int, list[TurnKey]], Frames]
"""Tells how many pieces were passed over, and of which streams."""


class Pace(NamedTuple):
    gather_seconds: float
    """For so long what is new gathers before it is told."""
    events_per_second: int
    """What comes faster is told in longer pieces."""

    @property
    def events_at_once(self) -> int:
        return max(1, int(self.events_per_second * max(self.gather_seconds, 0.01)))


class Batches:
    def __init__(self, pace: Pace, lagged: Lagged, on_over: Callable[[Followed], None]) -> None:
        """`on_over`: told of each stream of which nothing more comes."""
        self.news = asyncio.Event()
        """Set while there may be something to tell."""
        self.is_full = False
        """Whether the last batch was as large as one may be."""
        self._pace = pace
        self._lagged = lagged
        self._on_over = on_over
        self._changed: dict[Followed, float] = {}
        """Until when each has time to be told."""
        self._words: Frames = []
        self._looked_at = monotonic()

    def __len__(self) -> int:
        """How many streams have something to tell."""
        return len(self._changed)

    def say(self, frames: Frames) -> None:
        """Of the connection itself, with the next batch."""
        self._words += frames
        self.news.set()

    def add(self, followed: Followed, patience_seconds: float = LAG_SECONDS) -> None:
        """It has something new. Called with every change of its feed."""
        if followed not in self._changed:
            self._changed[followed] = monotonic() + patience_seconds
            self.news.set()

    def remove(self, followed: Followed) -> None:
        self._changed.pop(followed, None)

    def next(self) -> Frames:
        self.news.clear()
        frames, self._words = self._words, []
        frames += self._passed_over()
        size = sum(map(len, frames))
        self.is_full = False
        for followed in list(self._changed):
            self.is_full = size >= BATCH_BYTES
            if self.is_full or len(frames) >= self._pace.events_at_once:
                self.news.set()
                break
            told = self._take(followed, followed.tell)
            frames += told.frames
            size += sum(map(len, told.frames))
        return frames

    def _passed_over(self) -> Frames:
        """Of streams that have waited for too long."""
        missed, keys, frames = 0, [], []
        for followed in self._late():
            told = self._take(followed, followed.pass_over)
            frames += told.frames
            if told.missed:
                missed += told.missed
                keys.append(followed.turn.key)
        return [*self._lagged(missed, keys), *frames] if missed else frames

    def _late(self) -> Iterator[Followed]:
        now = monotonic()
        if now - self._looked_at >= LAG_SECONDS / 5:
            self._looked_at = now
            yield from [followed for followed, until in self._changed.items() if until < now]

    def _take(self, followed: Followed, tell: Callable[[], Told]) -> Told:
        del self._changed[followed]
        told = tell()
        if told.is_over:
            self._on_over(followed)
        return told
