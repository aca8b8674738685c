"""A feed: one running turn as a process sees it, shared by all who watch it there.

In a worker the run of the turn fills it and the publisher watches; in the API the broker's events fill it and viewers
watch. All watch the same way: a position of their own, and a question to the feed whenever it has changed.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager

from core.model.events import Batch, Done, End, Event, Failed, Snapshot, Start
from core.model.keys import TurnKey
from core.model.parts import Part, cut, recut
from core.model.tape import Tape


class Feed:
    """Owned by whoever fills it; everybody else only reads. `attempt` is 0 until the first attempt starts."""

    def __init__(self, key: TurnKey) -> None:
        self.key = key
        self.attempt = 0
        self.origin = 0
        """The attempt with which the tape began: what was shown of it, or of one since, still holds."""
        self.model = ""
        self.provider = ""
        self.reason: str | None = None
        self.tape = Tape()
        self.may_go_on = False
        """Whether another attempt could go on with the tape, so that its log must not be behind what viewers have."""
        self.end: End | None = None
        self.error: Exception | None = None
        """Why the feed itself broke down; its followers raise it."""
        self.queue_position: int | None = None
        self.framed: dict[Hashable, list[bytes]] = {}
        """What a follower has made of the feed as it is now, for others that need the same; gone with every change."""
        self._followers: set[Callable[[], object]] = set()

    @property
    def is_over(self) -> bool:
        """Nothing more comes."""
        return self.end is not None or self.error is not None

    def start(
        self,
        attempt: int,
        model: str,
        reason: str | None = None,
        provider: str = "",
        *,
        origin: int | None = None,
        parts: Iterable[Part] = (),
    ) -> None:
        """An attempt begins; with an empty tape, unless it goes on with one that began at the attempt `origin`."""
        self.attempt, self.model, self.reason, self.provider = attempt, model, reason, provider
        self.origin = attempt if origin is None else origin
        self.tape = Tape(parts)
        self.queue_position = None
        self.wake()

    def go_on(self, attempt: int, reason: str | None = None) -> None:
        """An attempt begins where the one before was left, with all that it has said."""
        self.attempt, self.reason = attempt, reason
        self.wake()

    def answer_by(self, model: str, provider: str) -> None:
        """Another model answers than the attempt began with."""
        if (model, provider) != (self.model, self.provider):
            self.model, self.provider = model, provider
            self.wake()

    def extend(self, parts: Iterable[Part]) -> None:
        self.tape.extend(parts)
        self.wake()

    def finish(self, end: End) -> None:
        self.end = end
        self.wake()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.wake()

    def snapshot(self, length: int | None = None) -> Snapshot:
        """All of it as an event, or so much of its tape."""
        tape = self.tape if length in (None, len(self.tape)) else Tape(self.tape.pieces(end=length))
        parts, sizes = tape.slice(), tape.sizes()
        sizes = sizes if len(sizes) > len(parts) else []
        origin = self.origin if self.origin != self.attempt else 0
        return Snapshot(self.attempt, self.model, parts, self.reason, sizes, self.provider, origin)

    def without_answer(self) -> "Feed":
        """How it is, but with nothing on its tape."""
        bare = Feed(self.key)
        bare.start(self.attempt, self.model, self.reason, self.provider, origin=self.origin)
        bare.end, bare.error = self.end, self.error
        return bare

    def set_queue_position(self, position: int) -> None:
        if position != self.queue_position and self.attempt == 0:
            self.queue_position = position
            self.wake()

    def wake(self) -> None:
        self.framed.clear()
        for follower in self._followers:
            follower()

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever the feed changes; the follower clears it before it reads."""
        event = asyncio.Event()
        with self.on_change(event.set):
            yield event

    @contextmanager
    def on_change(self, callback: Callable[[], object]) -> Iterator[None]:
        """Calls back in the midst of each change; for those who do little there."""
        self._followers.add(callback)
        try:
            yield
        finally:
            self._followers.discard(callback)

    def apply(self, event: Event) -> bool:
        """Take in an event from the broker, in whatever order and however often it comes.

        What is behind is trimmed, a lower attempt is dropped, a higher one restarts the feed. False means a hole:
        events are missing before this one.
        """
        if self.end is not None or event.attempt < self.attempt:
            return True
        match event:
            case Start():
                self._start_by(event, event.attempt)
                return True
            case Snapshot():
                if self.is_continued_by(event.origin, sum(map(len, event.parts))):
                    self.go_on(event.attempt, event.reason)
                self._start_by(event, event.origin or event.attempt)
                parts = recut(event.parts, event.sizes) if event.sizes else event.parts
                self.extend(_after(parts, len(self.tape)))
                return True
            case Batch():
                known = len(self.tape) - event.position
                if event.attempt != self.attempt or known < 0:
                    return False
                self.extend(_after(event.parts, known) if known else event.parts)
                return True
            case Done() | Failed():
                if event.attempt > self.attempt or event.position > len(self.tape):
                    return False
                self.finish(event)
                return True

    def is_continued_by(self, origin: int, length: int) -> bool:
        """Whether a tape of this length is ours, or what became of it."""
        return 0 < origin == self.origin and len(self.tape) <= length

    def _start_by(self, event: Start | Snapshot, origin: int) -> None:
        if event.attempt > self.attempt:
            self.start(event.attempt, event.model, event.reason, event.provider, origin=origin)
        else:
            self.answer_by(event.model, event.provider)


def _after(parts: list[Part], known: int) -> Iterator[Part]:
    """What comes after so many positions of them."""
    for part in parts:
        size = len(part)
        if known < size:
            yield cut(part, max(known, 0), size)
        known -= size
