"""When answers are read: at once while there is little to do, all together at common ticks under load.

To read, publish, frame and send costs the same for one token as for three, and what many turns do at the same moment
costs less than what each does in its own: fewer system calls, fewer wake-ups of a process. So under load what the
models say is read at the next tick, that of all turns. That adds less to a token's delay than the load itself would.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from core.model.parts import Part
from core.providers.base import Stream

LONGEST_TICK_SECONDS = 0.04
SHORTEST_TICK_SECONDS = 0.01
"""In less hardly anything gathers, and to wait for it costs more than it saves."""
CALM_RATE = 2500.0
"""Tokens per second of this process, up to which there are no ticks."""
BUSY_RATE = 5000.0
"""From here on a tick is the longest one."""
ACCOUNT_SECONDS = 0.25


class _Waiting(NamedTuple):
    over: asyncio.Future[None]
    stream: Stream
    take: Callable[[list[Part]], None]


class TickScheduler:
    """One per process, shared by its turns."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick_seconds = 0.0
        self._waiting: list[_Waiting] = []
        self._counted = 0
        self._since = self._loop.time()

    @property
    def is_busy(self) -> bool:
        """Whether there are ticks."""
        return self._tick_seconds > 0

    def count(self, tokens: int) -> None:
        """So many came."""
        self._counted += tokens
        elapsed = self._loop.time() - self._since
        if elapsed >= ACCOUNT_SECONDS:
            load = (self._counted / elapsed - CALM_RATE) / (BUSY_RATE - CALM_RATE)
            tick_seconds = LONGEST_TICK_SECONDS * min(load, 1.0)
            self._tick_seconds = tick_seconds if tick_seconds >= SHORTEST_TICK_SECONDS else 0.0
            self._counted, self._since = 0, self._loop.time()

    async def wait(self, stream: Stream, take: Callable[[list[Part]], None]) -> None:
        """Under load: give `take` what `stream` has at each tick, until it has nothing. In calm times return at once.

        What `take` raises, this raises. It is called here, and not in its turn's task, because to wake a task takes as
        long as all the rest.
        """
        if not self._tick_seconds and not self._waiting:
            return
        waiter = _Waiting(self._loop.create_future(), stream, take)
        self._add(waiter)
        await waiter.over

    def _add(self, waiter: _Waiting) -> None:
        if not self._waiting:
            self._loop.call_later(self._tick_seconds, self._tick)
        self._waiting.append(waiter)

    def _tick(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if waiter.over.done():  # stopped meanwhile
                continue
            try:
                if parts := waiter.stream.ready_parts():
                    waiter.take(parts)
            except Exception as error:  # noqa: BLE001 - its turn raises it
                waiter.over.set_exception(error)
                continue
            if parts and self.is_busy:
                self._add(waiter)
            else:
                waiter.over.set_result(None)
