"""A viewer: one client's position into a shared feed, written in the words of a wire. A slow one costs no memory."""

from collections.abc import AsyncGenerator
from typing import Protocol

from api.cursor import Cursor
from core.errors import HopstreamError
from core.events import End
from core.feed import Feed
from core.silence import Silence
from core.tape import Part

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


async def view(feed: Feed, cursor: Cursor | None, wire: Wire) -> AsyncGenerator[bytes]:
    """Everything after `cursor` (None: from the beginning), as it comes, to the end of the turn."""
    at = cursor or Cursor(feed.key.turn, 0, 0)
    queue_position: int | None = None
    has_sent = False
    yield wire.opening()
    with feed.watch() as changed, Silence(PING_SECONDS, changed.set) as silence:
        while True:
            changed.clear()
            frames: list[bytes] = []
            if feed.attempt > at.attempt:
                before, at = at, Cursor(at.turn, feed.attempt, 0)
                if before.attempt == 0:
                    frames.append(wire.start(at, feed.model))
                else:
                    frames.append(wire.restart(at, feed.reason or "worker_lost", has_sent=has_sent))
            elif feed.attempt == 0 and feed.queue_position not in (None, queue_position):
                queue_position = feed.queue_position
                frames.append(wire.queued(queue_position or 0))
            if feed.attempt == at.attempt and len(feed.tape) > at.position:
                growth = _growth(feed, at, wire)
                has_sent = has_sent or bool(growth)
                frames.append(growth)
                at = Cursor(at.turn, at.attempt, len(feed.tape))
            if feed.end is not None:
                frames.append(wire.end(at._replace(position=feed.end.position + 1), feed.end))
            elif feed.error is not None:
                frames.append(wire.broken(feed.error))
            if not frames and silence.is_long:
                frames.append(wire.ping())
            if frames:
                silence.end()
                yield b"".join(frames)
            if feed.end is not None or feed.error is not None:
                return
            await changed.wait()


def _growth(feed: Feed, at: Cursor, wire: Wire) -> bytes:
    """What is new, framed once for all viewers of a wire."""
    key = wire.media_type, at
    framed = feed.framed.get(key)
    if framed is None:
        framed = feed.framed[key] = wire.parts(feed.tape.slice(at.position), at)
    return framed
