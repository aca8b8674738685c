"""What the leading gateway does, for as long as it leads."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import RedisError

from core.telemetry.log_stream.appender import NotLeader
from logs.stream.leadership import RENEW_SECONDS, LeaderAppender, Leadership
from logs.stream.reader import Reader

log = structlog.get_logger()

Duty = Callable[[LeaderAppender], Coroutine[Any, Any, None]]
"""Is done until its task is cancelled. It appends by the appender, which takes lines of the leader alone."""


class Leader:
    def __init__(
        self,
        leadership: Leadership,
        reader: Reader,
        duties: Sequence[Duty],
        new_appender: Callable[[str], LeaderAppender],
    ) -> None:
        """`new_appender` is given the leader's token."""
        self._leadership = leadership
        self._reader = reader
        self._duties = duties
        self._new_appender = new_appender
        self._term: asyncio.Task[None] | None = None

    async def run(self) -> None:
        try:
            while True:
                with suppress(RedisError):  # then the lease runs out by itself
                    await self._leadership.renew()
                await self._begin_or_end()
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            await self._end()
            await self._leadership.leave()

    async def _begin_or_end(self) -> None:
        if self._leadership.leads and self._term is None:
            self._term = asyncio.create_task(self._lead(), name="leading gateway")
        elif self._term is not None and (not self._leadership.leads or self._term.done()):
            await self._end()

    async def _end(self) -> None:
        if self._term is not None:
            self._term.cancel()
            await asyncio.gather(self._term, return_exceptions=True)
            self._term = None

    async def _lead(self) -> None:
        """One term."""
        appender = self._new_appender(self._leadership.token)
        try:
            await self._reader.catch_up()
            async with asyncio.TaskGroup() as group:
                for duty in self._duties:
                    group.create_task(duty(appender))
        except* (NotLeader, RedisError) as errors:
            log.warning("no longer leading", action="gateway.deposed", error=str(errors.exceptions[0]))
        except* Exception as errors:
            log.error("leading broke", action="gateway.broken", exc_info=errors)
        finally:
            appender.close()
