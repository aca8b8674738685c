"""Keeps Redis from filling up, the leader's duty: Redis itself forgets nothing, it would refuse all further lines."""

import asyncio
from time import time
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.telemetry.log_stream.redis_stream import HEARING, STREAM, WRITERS
from logs.stream.leadership import LeaderAppender
from logs.stream.notices import notice

log = structlog.get_logger()

PAUSE_SECONDS = 1.0
FULL = 0.9
"""Of maxmemory."""
LEFT = 0.75
"""Of the lines, once it is full."""
SHARE = 0.3
"""Of what is used, that the lines have: with less it is not they that fill it."""
FORGET_SECONDS = 86_400.0
"""After which a writer that says nothing is taken for gone, and a gateway."""
FORGET_EVERY = 600


class Housekeeping:
    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # whose types know any shape that an answer might have
        self._is_full = False

    async def lead(self, appender: LeaderAppender) -> None:
        looks = 0
        while True:
            try:
                if await self._make_room():
                    text = "Redis is nearly full: its oldest lines are gone before LOG_STREAM_LINES"
                    await appender.append([notice(text, "warning")])
                if looks % FORGET_EVERY == 0:
                    await self._forget()
            except RedisError as error:
                log.info("housekeeping waits for Redis", action="housekeeping.put_off", error=str(error))
            looks += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _make_room(self) -> bool:
        """Whether that was needed, for the first time since there was room."""
        memory = await self._redis.info("memory")
        most, used = int(memory.get("maxmemory", 0)), int(memory["used_memory"])
        if not most or used < FULL * most:
            self._is_full = False
            return False
        if (await self._redis.memory_usage(STREAM) or 0) < SHARE * used:
            return False  # somebody else's, as in a cache, whose keys make room by themselves
        lines = await self._redis.xlen(STREAM)
        await self._redis.xtrim(STREAM, maxlen=int(lines * LEFT), approximate=False)
        was_full, self._is_full = self._is_full, True
        return not was_full

    async def _forget(self) -> None:
        oldest = time() - FORGET_SECONDS
        writers = await self._redis.hgetall(WRITERS)
        gone = [name for name, value in writers.items() if int(value.split()[1]) < oldest * 1000]
        if gone:
            await self._redis.hdel(WRITERS, *gone)
        gateways = await self._redis.hgetall(HEARING)
        gone = [name for name, value in gateways.items() if b"." in value and float(value.split()[0]) < oldest]
        if gone:
            await self._redis.hdel(HEARING, *gone)
