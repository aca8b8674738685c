"""One stream of a watcher's: its place in a turn's feed, until the turn's end was told."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import NamedTuple

from api.streams.cursor import Cursor
from api.streams.viewer import View
from api.wires.base import Frames
from api.wires.stream_events import StreamEventsWire
from core.model.feed import Feed
from core.store.turns.watched import WatchedTurn


class News(NamedTuple):
    """Of one stream."""

    frames: Frames
    is_over: bool
    """Nothing more comes of it."""
    missed: int
    """How many pieces of the model's were passed over."""


class Followed:
    def __init__(
        self,
        turn: WatchedTurn,
        holding: AbstractContextManager[Feed],
        cursor: Cursor | None,
        wire: StreamEventsWire,
        on_change: Callable[["Followed"], None],
    ) -> None:
        """`holding` is entered, and left by `close`."""
        self.turn = turn
        self._wire = wire
        self._held = ExitStack()
        feed = self._held.enter_context(holding)
        self._view = View(feed, cursor, wire)
        self._held.enter_context(feed.on_change(lambda: on_change(self)))

    @property
    def is_over(self) -> bool:
        return self._view.feed.is_over

    def news(self) -> News:
        """What is new."""
        frames = self._view.new_frames()
        missed, self._wire.missed = self._wire.missed, 0
        return News(frames, self.is_over, missed)

    def pass_over(self) -> News:
        """What is new, but for what the answer has grown by."""
        self._wire.passes_over = True
        news = self.news()
        self._wire.passes_over = False
        return news

    def settle(self) -> None:
        """It is over, and nobody knows when its reader will hear: keep how it ended rather than the whole answer."""
        self._wire.missed += self._view.drop_answer()
        self.close()

    def close(self) -> None:
        self._held.close()
