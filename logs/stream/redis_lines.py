"""The stream of all lines in Redis, as lines. Everything here raises RedisError."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from core.telemetry.log_stream.redis_stream import STREAM
from logs.stream.line import FIRST, LineId, StreamLine

MOST_LINES = 1000
ANSWER_BYTES = 1024 * 1024
"""About as long an answer is to be at most; a line may have 256 KB."""


class RedisLines:
    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # whose types know any shape that an answer might have
        self._most = 100
        """Lines in one answer: fewer where they are long."""

    async def last_id(self) -> LineId:
        lines = await self.before(None, 1)
        return lines[0].id if lines else FIRST

    async def now_ms(self) -> int:
        """By the clock of Redis."""
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def count(self) -> int:
        return int(await self._redis.xlen(STREAM))

    async def after(self, place: LineId | None, most: int) -> list[StreamLine]:
        """The oldest ones after a line, or of all. There may be more, though not so many came; none is the end."""

        async def ask(entry_id: Any) -> Any:
            return await self._redis.xrange(STREAM, min=b"(" + entry_id if entry_id else "-", count=self._count(most))

        return await self._lines_of(ask, place)

    async def before(self, place: LineId | None, most: int) -> list[StreamLine]:
        """The newest ones before a line, or of all; newest first. Else as `after`."""

        async def ask(entry_id: Any) -> Any:
            return await self._redis.xrevrange(
                STREAM, max=b"(" + entry_id if entry_id else "+", count=self._count(most)
            )

        return await self._lines_of(ask, place)

    async def wait_after(self, place: LineId, most: int, block_ms: int) -> list[StreamLine]:
        """As `after`; waits so long for the first one."""

        async def ask(entry_id: Any) -> Any:
            answer = await self._redis.xread({STREAM: entry_id}, count=self._count(most), block=block_ms)
            return [entry for _, entries in answer or [] for entry in entries]

        return await self._lines_of(ask, place)

    async def _lines_of(self, ask: Callable[[Any], Awaitable[Any]], place: LineId | None) -> list[StreamLine]:
        """`ask`: for entries beyond one. What somebody else has put into the stream is passed over, however much."""
        entry_id = str(place).encode() if place else None
        while entries := await ask(entry_id):
            if lines := _lines(entries):
                return self._measured(lines)
            entry_id = entries[-1][0]
        return []

    def _count(self, most: int) -> int:
        return min(most, self._most)

    def _measured(self, lines: list[StreamLine]) -> list[StreamLine]:
        """So that the next answer has about as many bytes as may be."""
        size = sum(len(line.data) for line in lines)
        if size > 2 * ANSWER_BYTES:
            self._most = max(self._most // 2, 10)
        elif size < ANSWER_BYTES:
            self._most = min(self._most * 2, MOST_LINES)
        return lines


def _lines(entries: Iterable[Any]) -> list[StreamLine]:
    """Without what somebody else has put in between."""
    lines = []
    for entry in entries:
        with suppress(ValueError, KeyError):
            lines.append(StreamLine.from_entry(entry))
    return lines
