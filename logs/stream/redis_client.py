"""The gateway's client of Redis: no command waits for long, and each can be cancelled at any moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import TimeoutError as NoAnswer

from core.telemetry.log_stream.redis_stream import ANSWER_SECONDS, OPTIONS


class RedisClient(Redis):
    """It limits the time of commands by itself. redis-py's `socket_timeout` does that by `asyncio.wait_for`, which up
    to Python 3.11 loses a cancellation that comes just as the command was sent (CPython's gh-86296): a task that was
    to end would go on for ever."""

    @classmethod
    def of(cls, url: str) -> Redis:
        return cls.from_url(url, **{**OPTIONS, "socket_timeout": None})

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Raises RedisError."""
        async with answered():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def answered() -> AsyncIterator[None]:
    """Raises NoAnswer for what takes too long."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except TimeoutError as error:
        raise NoAnswer(f"no answer within {ANSWER_SECONDS:g} s") from error
