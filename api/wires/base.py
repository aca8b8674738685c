"""Wires: the output formats of a turn. A wire tells each moment of one turn, for one viewer, in frames."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import msgspec

from api.streams.cursor import Cursor
from core.model.errors import HopstreamError
from core.model.events import End, Failed
from core.model.keys import TurnKey
from core.model.parts import Part
from core.store.turns.records import Labels, Mode, Turn
from core.store.turns.watched import WatchedTurn

Frames = list[bytes]
"""One for each message of the wire: a Server-Sent Event, a WebSocket message. Empty where it has nothing to say."""


class WireContext(msgspec.Struct, frozen=True, kw_only=True):
    """The turn that a wire tells, and what its viewer asked for."""

    key: TurnKey
    model: str
    created_at: float
    """Seconds since 1970, as is the next."""
    started_at: float | None = None
    """When its first attempt began; None: not yet, as far as is known."""
    mode: Mode = "queue"
    labels: Labels = Labels()
    asked: Mapping[str, Any] = {}
    """What the request said about the answer's form, for wires that leave something to choose."""

    @classmethod
    def of(cls, turn: Turn | WatchedTurn, **asked: Any) -> Self:
        return cls(
            key=turn.key,
            model=turn.model,
            created_at=turn.created_at,
            started_at=turn.started_at,
            mode=turn.mode,
            labels=turn.labels,
            asked=asked,
        )


class Unfinished(HopstreamError):
    """The stream must break off without its proper end, so that nobody takes it for the whole answer."""

    code = "unfinished"

    def __init__(self, message: str, last_words: Frames | None = None) -> None:
        """`last_words` are sent before it breaks off."""
        super().__init__(message)
        self.last_words = last_words or []


class Wire:
    """Made for one turn and one viewer. Each method is told of a moment, and returns what to send for it.

    A wire overrides the moments that it has words for, `grew` at least. What is here is right for one that tells the
    answer alone: it breaks off where its silence would be taken for the end of a whole answer.
    """

    name: ClassVar[str]
    """Viewers at the same place share the frames of `grew` by this name. Where a request's options change these frames,
    they belong into the name."""
    media_type: ClassVar[str]
    shares_frames: ClassVar[bool] = True
    """False where the frames of `grew` are for one client alone."""
    takes_pieces: ClassVar[bool] = False
    """Whether `grew` gets the parts as they came from the model, rather than neighbours of one kind as one."""
    shows_restarts: ClassVar[bool] = False
    """Whether it can say that what it told of an answer is void."""

    def __init_subclass__(cls) -> None:
        """Raises TypeError: a wire that took over its parent's name would put its frames into the other's streams."""
        if "name" not in vars(cls):
            raise TypeError(f"the wire {cls.__name__} needs a name of its own")

    def __init__(self, context: WireContext) -> None:
        self.context = context

    def opening(self) -> Frames:
        """Before everything else."""
        return []

    def queued(self, position: int) -> Frames:
        """The turn waits for a worker; 1 is next."""
        return []

    def started(self, at: Cursor, model: str, provider: str) -> Frames:
        """The first attempt begins, or another model answers than was told before."""
        return []

    def restarted(self, at: Cursor, model: str, provider: str, reason: str, *, has_sent: bool) -> Frames:
        """Another attempt begins, by another model perhaps, and what was shown of the one before is void. `has_sent`:
        whether `grew` gave this viewer any frames before. Raises Unfinished where they cannot be taken back."""
        if has_sent:
            raise Unfinished(f"the answer was restarted ({reason}) after some of it was sent")
        return []

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        """`parts` were added at `start`. Those of a kind that the wire has no words for are passed over; its cursors
        move past them all the same.

        The same for all viewers of the wire's name: it depends on nothing but the turn and the arguments.
        """
        raise NotImplementedError

    def ended(self, at: Cursor, end: End) -> Frames:
        """The turn's terminal event; `at` is the place behind it. Raises Unfinished."""
        if isinstance(end, Failed):
            raise Unfinished(end.message)
        return []

    def broken(self, error: Exception) -> Frames:
        """The feed broke down, though the turn may go on: Closing, say, when this process stops and the client is to
        resume at another one. The stream then ends in order, or breaks off by Unfinished, as the wire's clients need
        it to tell this from an answer's end."""
        raise Unfinished("the stream broke off") from error

    def ping(self) -> Frames:
        """Nothing was sent for long."""
        return []
