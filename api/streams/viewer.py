"""A viewer: one client's position into a shared feed, written in the words of a wire. A slow one costs no memory."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

import structlog

from api.streams.cursor import Cursor
from core.idle_timer import IdleTimer
from core.model.errors import HopstreamError
from core.model.events import End
from core.model.feed import Feed
from core.model.parts import Part

log = structlog.get_logger()

PING_SECONDS = 15.0
"""Proxies cut connections that are silent for 30 to 60 s."""


class Wire(Protocol):
    """An output format. Each method returns the bytes to send, empty for nothing."""

    media_type: str

    def opening(self) -> bytes: ...
    def queued(self, position: int) -> bytes: ...
    def start(self, cursor: Cursor, model: str) -> bytes: ...
    def restart(self, cursor: Cursor, reason: str, *, has_sent: bool) -> bytes:
        """`has_sent`: whether `parts` gave any bytes before. Raises Unfinished where the wire cannot take them back."""
        ...

    def parts(self, parts: list[Part], start: Cursor) -> bytes:
        """The same bytes for all viewers of the wire."""
        ...

    def end(self, cursor: Cursor, end: End) -> bytes: ...
    def broken(self, error: Exception) -> bytes:
        """The feed itself broke down. Raises Unfinished where the wire has no words for that."""
        ...

    def ping(self) -> bytes: ...


class Unfinished(HopstreamError):
    """The response must break off without its proper end, so that nobody takes it for the whole answer."""

    code = "unfinished"


class Push(Protocol):
    """Writes to the client at once, from within a change of the feed."""

    @property
    def is_ready(self) -> bool:
        """Whether the response has begun, and its client keeps up."""
        ...

    def write(self, frames: bytes) -> None: ...


async def view(feed: Feed, cursor: Cursor | None, wire: Wire, push: Push | None = None) -> AsyncGenerator[bytes]:
    """Everything after `cursor` (None: from the beginning), as it comes, to the end of the turn.

    While it is awaited, what is simply added goes by `push`: to wake a task for it takes longer than to write it.
    """
    viewer = Viewer(feed, cursor, wire)
    changed = asyncio.Event()
    is_awaited = False

    def on_change() -> None:
        if not (is_awaited and push and push.is_ready and viewer.only_grows) or changed.is_set():
            changed.set()
            return
        try:
            frames = viewer.new_frames()
        except Exception as error:  # the next call, below, fails by it as well: that is this viewer's affair alone
            log.error("view failed", action="view.failed", exc_info=error)
            changed.set()
            return
        if frames:
            idle_timer.touch()
            push.write(frames)

    yield wire.opening()
    with feed.on_change(on_change), IdleTimer(PING_SECONDS, changed.set) as idle_timer:
        while True:
            changed.clear()
            frames = viewer.new_frames()
            if not frames and idle_timer.is_idle:
                frames = wire.ping()
            if frames:
                idle_timer.touch()
                yield frames
            if viewer.is_over:
                return
            is_awaited = True
            await changed.wait()
            is_awaited = False


class Viewer:
    """Says what is new in a feed each time it is asked."""

    def __init__(self, feed: Feed, cursor: Cursor | None, wire: Wire) -> None:
        self.is_over = False
        """Whether the end, or the break-down, was told."""
        self._feed = feed
        self._wire = wire
        self._at = cursor or Cursor(feed.key.turn, 0, 0)
        self._queue_position: int | None = None
        self._has_sent = False

    @property
    def only_grows(self) -> bool:
        """Whether there is nothing new but what was added."""
        feed = self._feed
        return feed.attempt == self._at.attempt and not feed.is_over

    def new_frames(self) -> bytes:
        """Raises Unfinished."""
        feed, wire = self._feed, self._wire
        frames = []
        if feed.attempt > self._at.attempt:
            before, self._at = self._at, Cursor(self._at.turn, feed.attempt, 0)
            if before.attempt == 0:
                frames.append(wire.start(self._at, feed.model))
            else:
                frames.append(wire.restart(self._at, feed.reason or "worker_lost", has_sent=self._has_sent))
        elif feed.attempt == 0 and feed.queue_position not in (None, self._queue_position):
            self._queue_position = feed.queue_position
            frames.append(wire.queued(self._queue_position or 0))
        if feed.attempt == self._at.attempt and len(feed.tape) > self._at.position:
            growth = _growth(feed, self._at, wire)
            self._has_sent = self._has_sent or bool(growth)
            frames.append(growth)
            self._at = Cursor(self._at.turn, self._at.attempt, len(feed.tape))
        if feed.end is not None:
            frames.append(wire.end(self._at._replace(position=feed.end.position + 1), feed.end))
        elif feed.error is not None:
            frames.append(wire.broken(feed.error))
        self.is_over = feed.is_over
        return b"".join(frames)


def _growth(feed: Feed, at: Cursor, wire: Wire) -> bytes:
    """What is new, framed once for all viewers of a wire."""
    key = wire.media_type, at
    framed = feed.framed.get(key)
    if framed is None:
        framed = feed.framed[key] = wire.parts(feed.tape.slice(at.position), at)
    return framed
