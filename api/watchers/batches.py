"""Batches: which streams of a watcher's have something new, and what of it goes to its reader at once."""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import NamedTuple

from api.watchers.followed import Followed, News
from api.wires.base import Frames
from core.model.errors import SlowReader
from core.model.keys import TurnKey

LAG_SECONDS = 5.0
"""A stream that waits so long to be told is passed over, up to its newest."""
CATCH_UP_SECONDS = 60.0
"""The same for one that was just met, with all that it has said so far."""
BATCH_BYTES = 262_144
"""Of a batch, which its last stream may exceed: so much waits in memory for a slow reader."""

MOST_WORDS = 100
"""Of the connection itself that wait for a slow reader."""

Lagged = Callable[[int, list[TurnKey]], Frames]
"""Tells how many pieces were passed over, and of which streams."""


class Pace(NamedTuple):
    gather_seconds: float
    """For so long what is new gathers before it is told."""
    events_per_second: int
    """What comes faster is told in longer pieces."""

    @property
    def events_at_once(self) -> int:
        return max(1, int(self.events_per_second * self.gather_seconds))


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
        """Of the connection itself, to be told."""
        self._looked_at = monotonic()

    def say(self, frames: Frames) -> None:
        """Of the connection itself, with the next batch. Raises SlowReader."""
        if len(self._words) > MOST_WORDS:
            raise SlowReader("you ask for more than you read")
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
        """What to tell now."""
        self.news.clear()
        self.is_full = False
        words, self._words = self._words, []
        frames: Frames = []
        missed: dict[TurnKey, int] = {}
        size = 0
        for followed, take in self._due():
            self.is_full = size >= BATCH_BYTES
            if self.is_full or len(frames) >= self._pace.events_at_once:
                self.news.set()
                break
            del self._changed[followed]
            news = take()
            frames += news.frames
            size += sum(map(len, news.frames))
            if news.missed:
                missed[followed.turn.key] = news.missed
            if news.is_over:
                self._on_over(followed)
        lagged = self._lagged(sum(missed.values()), [*missed]) if missed else []
        return [*words, *lagged, *frames]

    def _due(self) -> Iterator[tuple[Followed, Callable[[], News]]]:
        """Those that have something to tell, and what of it: those that have waited for too long come first, and what
        they have grown by is passed over."""
        late = self._late()
        yield from [(followed, followed.pass_over) for followed in late]
        yield from [(followed, followed.news) for followed in self._changed if followed not in late]

    def _late(self) -> list[Followed]:
        now = monotonic()
        if now - self._looked_at < LAG_SECONDS / 5:
            return []
        self._looked_at = now
        return [followed for followed, until in self._changed.items() if until < now]
