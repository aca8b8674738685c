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
        self.model = ""
        self.reason: str | None = None
        self.tape = Tape()
        self.end: End | None = None
        self.error: Exception | None = None
        """Why the feed itself broke down; its watchers raise it."""
        self.queue_position: int | None = None
        self.framed: dict[Hashable, list[bytes]] = {}
        """What a watcher has made of the feed as it is now, for others that need the same; gone with every change."""
        self._watchers: set[Callable[[], object]] = set()

    @property
    def is_over(self) -> bool:
        """Nothing more comes."""
        return self.end is not None or self.error is not None

    def start(self, attempt: int, model: str, reason: str | None = None) -> None:
        """An attempt begins with an empty tape."""
        self.attempt, self.model, self.reason = attempt, model, reason
        self.tape = Tape()
        self.queue_position = None
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

    def snapshot(self) -> Snapshot:
        """All of it as an event."""
        parts = self.tape.slice()
        sizes = self.tape.sizes()
        return Snapshot(self.attempt, self.model, parts, self.reason, sizes if len(sizes) > len(parts) else [])

    def set_queue_position(self, position: int) -> None:
        if position != self.queue_position and self.attempt == 0:
            self.queue_position = position
            self.wake()

    def wake(self) -> None:
        self.framed.clear()
        for watcher in self._watchers:
            watcher()

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever the feed changes; the watcher clears it before it reads."""
        event = asyncio.Event()
        with self.on_change(event.set):
            yield event

    @contextmanager
    def on_change(self, callback: Callable[[], object]) -> Iterator[None]:
        """Calls back in the midst of each change; for those who do little there."""
        self._watchers.add(callback)
        try:
            yield
        finally:
            self._watchers.discard(callback)

    def apply(self, event: Event) -> bool:
        """Take in an event from the broker, in whatever order and however often it comes.

        What is behind is trimmed, a lower attempt is dropped, a higher one restarts the feed. False means a hole:
        events are missing before this one.
        """
        if self.end is not None or event.attempt < self.attempt:
            return True
        match event:
            case Start():
                if event.attempt > self.attempt:
                    self.start(event.attempt, event.model, event.reason)
                return True
            case Snapshot():
                if event.attempt > self.attempt:
                    self.start(event.attempt, event.model, event.reason)
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


def _after(parts: list[Part], known: int) -> Iterator[Part]:
    """What comes after so many positions of them."""
    for part in parts:
        size = len(part)
        if known < size:
            yield cut(part, max(known, 0), size)
        known -= size
