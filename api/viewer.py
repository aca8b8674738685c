"""A viewer: one client's position into a shared feed, written in the words of a wire. A slow one costs no memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from api.cursor import Cursor
from core.errors import HopstreamError
from core.events import End
from core.feed import Feed
from core.tape import Part

PING_SECONDS = 15.0
"""Proxies cut connections that are silent for 30 to 60 s."""


class Wire(Protocol):
    """An output format. Each method returns the bytes to send, empty for nothing."""

    media_type: str

    def opening(self) -> bytes: ...
    def queued(self, position: int) -> bytes: ...
    def start(self, cursor: Cursor, model: str) -> bytes: ...
    def restart(self, cursor: Cursor, reason: str) -> bytes:
        """Raises Unfinished where the wire cannot take back what it sent."""
        ...

    def parts(self, parts: list[Part], start: Cursor) -> bytes: ...
    def end(self, cursor: Cursor, end: End) -> bytes: ...
    def broken(self, error: Exception) -> bytes:
        """The feed itself broke down. Raises Unfinished where the wire has no words for that."""
        ...

    def ping(self) -> bytes: ...


class Unfinished(HopstreamError):
    """The response must break off without its proper end, so that nobody takes it for the whole answer."""

    code = "unfinished"


async def view(feed: Feed, cursor: Cursor | None, wire: Wire) -> AsyncIterator[bytes]:
    """Everything after `cursor` (None: from the beginning), as it comes, to the end of the turn."""
    at = cursor or Cursor(feed.key.turn, 0, 0)
    queue_position: int | None = None
    yield wire.opening()
    with feed.watch() as changed:
        while True:
            changed.clear()
            frames: list[bytes] = []
            if feed.attempt > at.attempt:
                before, at = at, Cursor(at.turn, feed.attempt, 0)
                frames.append(_begin(feed, before, at, wire))
            elif feed.attempt == 0 and feed.queue_position not in (None, queue_position):
                queue_position = feed.queue_position
                frames.append(wire.queued(queue_position or 0))
            if feed.attempt == at.attempt and len(feed.tape) > at.position:
                frames.append(wire.parts(feed.tape.slice(at.position), at))
                at = at._replace(position=len(feed.tape))
            if feed.end is not None:
                frames.append(wire.end(at._replace(position=feed.end.position + 1), feed.end))
            elif feed.error is not None:
                frames.append(wire.broken(feed.error))
            if frames:
                yield b"".join(frames)
            if feed.end is not None or feed.error is not None:
                return
            if not changed.is_set() and not await _wait(changed):
                yield wire.ping()


def _begin(feed: Feed, before: Cursor, at: Cursor, wire: Wire) -> bytes:
    if before.attempt == 0:
        return wire.start(at, feed.model)
    return wire.restart(at, feed.reason or "worker_lost")


async def _wait(changed: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(PING_SECONDS):
            return await changed.wait()
    except TimeoutError:
        return False
