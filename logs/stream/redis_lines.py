"""The stream of all lines in Redis, as lines. Everything here raises RedisError."""

from typing import Any

from redis.asyncio import Redis

from core.telemetry.log_stream.redis_stream import STREAM
from logs.stream.line import FIRST, LineId, StreamLine


class RedisLines:
    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # whose types know any shape that an answer might have

    async def first_id(self) -> LineId | None:
        """Of the oldest line that is there."""
        lines = await self.after(None, 1)
        return lines[0].id if lines else None

    async def last_id(self) -> LineId:
        lines = await self.before(None, 1)
        return lines[0].id if lines else FIRST

    async def count(self) -> int:
        return int(await self._redis.xlen(STREAM))

    async def after(self, place: LineId | None, most: int) -> list[StreamLine]:
        """The oldest ones after a line, or of all."""
        entries = await self._redis.xrange(STREAM, min=f"({place}" if place else "-", count=most)
        return [StreamLine.from_entry(entry) for entry in entries]

    async def before(self, place: LineId | None, most: int) -> list[StreamLine]:
        """The newest ones before a line, or of all; newest first."""
        entries = await self._redis.xrevrange(STREAM, max=f"({place}" if place else "+", count=most)
        return [StreamLine.from_entry(entry) for entry in entries]

    async def wait_after(self, place: LineId, most: int, block_ms: int) -> list[StreamLine]:
        """As `after`; waits so long for the first one."""
        answer = await self._redis.xread({STREAM: str(place)}, count=most, block=block_ms)
        return [StreamLine.from_entry(entry) for _, entries in answer or [] for entry in entries]
