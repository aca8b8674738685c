"""Reads the stream, for all viewers of this process."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer

from logs.stream.line import StreamLine
from logs.stream.numbers import WriterNumbers
from logs.stream.redis_lines import RedisLines
from logs.stream.redis_state import RedisState
from logs.stream.tail import Tail

log = structlog.get_logger()

BLOCK_MS = 1000
"""Well below the time in which an answer must come, else redis-py takes an idle stream for a dead server."""
BATCH_LINES = 1000
RETRY_SECONDS = 0.25


class Reader:
    """`run` is a task's. What it reads goes to the tail, and to `on_lines`; lost lines to `on_lost`."""

    def __init__(
        self,
        lines: RedisLines,
        tail: Tail,
        state: RedisState,
        *,
        on_lines: Callable[[Sequence[StreamLine]], None],
        on_lost: Callable[[StreamLine, int], None],
    ) -> None:
        """`on_lost` is given how many lines are missing before this one of the same writer."""
        self._lines = lines
        self._tail = tail
        self._state = state
        self._on_lines = on_lines
        self._on_lost = on_lost
        self._numbers = WriterNumbers()

    async def run(self) -> None:
        while True:
            try:
                await self._find_place()
                if self._state.up():
                    log.info("reading the log stream", action="redis.up")
                while True:
                    await self._read()
            except RedisError as error:
                is_frozen = isinstance(error, NoAnswer)
                if self._state.away(str(error), is_frozen=is_frozen):
                    log.warning("Redis does not answer", action="redis.away", error=str(error), frozen=is_frozen)
                if not isinstance(error, NoConnection | NoAnswer):
                    log.warning("Redis refuses", action="redis.refuses", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def catch_up(self) -> None:
        """Returns once all that is in the stream by now has been read. Raises RedisError."""
        newest = await self._lines.last_id()
        while self._tail.last_id < newest:
            await self._tail.news()

    async def _find_place(self) -> None:
        """At first the end of the stream; later on where we were. A Redis that has come back with less gives its next
        line a later id all the same, unless its clock was set back meanwhile."""
        if not self._tail.begun.is_set():
            self._tail.begin_after(await self._lines.last_id())
        elif await self._lines.now_ms() < self._tail.last_id.ms:
            self._tail.begin_after(min(self._tail.last_id, await self._lines.last_id()))

    async def _read(self) -> None:
        lines = await self._lines.wait_after(self._tail.last_id, BATCH_LINES, BLOCK_MS)
        if lines:
            new = [line for line in lines if self._is_new(line)]
            self._on_lines(new)
            self._tail.extend(new, lines[-1].id)

    def _is_new(self, line: StreamLine) -> bool:
        lost = self._numbers.lost_before(line.writer, line.number)
        if lost:
            self._on_lost(line, lost)
        return lost is not None
