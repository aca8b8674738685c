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


class Told(NamedTuple):
    frames: Frames
    is_over: bool
    """Nothing more comes of it."""
    missed: int = 0
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
        self._last_words: Told | None = None
        self._held.enter_context(feed.on_change(lambda: on_change(self)))

    @property
    def is_over(self) -> bool:
        return self._last_words is not None or self._view.feed.is_over

    def tell(self) -> Told:
        """What is new."""
        if self._last_words is not None:
            return self._last_words
        return Told(self._view.new_frames(), self._view.feed.is_over)

    def pass_over(self) -> Told:
        """What is new, but for what the answer has grown by."""
        if self._last_words is not None:
            return self._last_words
        self._wire.passes_over = True
        frames = self._view.new_frames()
        self._wire.passes_over = False
        missed, self._wire.missed = self._wire.missed, 0
        return Told(frames, self._view.feed.is_over, missed)

    def settle(self) -> None:
        """It is over, and nobody knows when its reader will hear: keep the last words rather than the whole answer."""
        if self._last_words is None:
            self._last_words = self.pass_over()
            self.close()

    def close(self) -> None:
        self._held.close()
