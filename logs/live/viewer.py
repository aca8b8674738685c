"""Follows the lines that pass a filter, for one client: as Server-Sent Events (WHATWG HTML, 9.2)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic

from redis.exceptions import RedisError

from logs.live.bulletins import Bulletins, event
from logs.live.filters import Matcher
from logs.live.source import LineSource
from logs.stream.line import LineId, StreamLine
from logs.stream.tail import Tail

RETRY_MS = 1000
PING_SECONDS = 15.0
GATHER_SECONDS = 0.02
"""Between two writes: what comes meanwhile goes in one."""
BATCH_LINES = 1000
AWAY_SECONDS = 0.5


class Viewer:
    """Has a place and no queue: a client that is slow costs no memory."""

    def __init__(
        self,
        tail: Tail,
        source: LineSource,
        bulletins: Bulletins,
        matcher: Matcher,
        *,
        last_id: LineId | None,
        rate: int | None,
    ) -> None:
        """`last_id`: the line after which to begin; None: what comes from now on. `rate`: lines a second; what is more
        is skipped, the oldest first, and told."""
        self._tail = tail
        self._source = source
        self._bulletins = bulletins
        self._matcher = matcher
        self._last_id = last_id or (tail.last_id if tail.begun.is_set() else None)
        self._rate = rate
        self._allowed = float(rate or 0)
        self._allowed_at = monotonic()
        self._told = 0
        """Which bulletins were told."""

    async def frames(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RETRY_MS
        written = monotonic()
        while True:
            news = asyncio.ensure_future(self._tail.news())  # from now on, so that none is missed while we look
            try:
                before = self._last_id
                chunk = self._bulletins_since() + await self._growth()
                if not chunk and monotonic() - written < PING_SECONDS:
                    if self._last_id != before:
                        await asyncio.sleep(0)  # there may be many that do not pass, and others who wait
                        continue
                    async with asyncio.timeout(PING_SECONDS):
                        await news
                    continue
            except TimeoutError:
                chunk = b""
            finally:
                news.cancel()
            yield chunk or self._with_id(self._bulletins.last("status")) or b": ping\n\n"
            written = monotonic()
            await asyncio.sleep(GATHER_SECONDS)

    def _bulletins_since(self) -> bytes:
        frames, self._told = self._bulletins.since(self._told)
        return self._with_id(frames)

    def _with_id(self, frames: bytes) -> bytes:
        """So that the id goes on where nothing passes the filter: who comes back will not ask for all that again."""
        return b"id: %s\n%s" % (str(self._last_id).encode(), frames) if frames and self._last_id else frames

    async def _growth(self) -> bytes:
        if self._last_id is None:  # Redis has not been there yet
            self._last_id = self._tail.last_id if self._tail.begun.is_set() else None
            return b""
        try:
            lines, missed = await self._source.after(self._last_id, BATCH_LINES, archived=True)
        except RedisError:
            await asyncio.sleep(AWAY_SECONDS)  # the bulletins say so
            return b""
        frames = []
        if missed != 0:
            frames.append(event("gap", {"lines": missed, "why": "they are kept no longer"}))
        if lines:
            self._last_id = lines[-1].id
            frames += self._passed(lines)
        return b"".join(frames)

    def _passed(self, lines: Sequence[StreamLine]) -> list[bytes]:
        asked = lines if self._matcher.asked.takes_all else [line for line in lines if self._matcher.takes(line)]
        if self._rate is None:
            return [line.frame for line in asked]
        now = monotonic()
        self._allowed = min(float(self._rate), self._allowed + (now - self._allowed_at) * self._rate)
        self._allowed_at = now
        skipped = max(0, len(asked) - int(self._allowed))
        self._allowed -= len(asked) - skipped
        frames = [line.frame for line in asked[skipped:]]
        return [event("skipped", {"lines": skipped}), *frames] if skipped else frames
