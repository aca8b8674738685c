"""The pace of answers: at once while there is little to do, all together in ticks under load.

To read, publish, frame and send costs the same for one token as for three, and what many turns do at the same moment
costs less than what each does in its own: fewer system calls, fewer wake-ups of a process. So under load every turn
looks at the next tick what its model has said. That adds less to a token's delay than the load itself would.
"""

import asyncio

LONGEST_TICK_SECONDS = 0.04
CALM_RATE = 2500.0
"""Tokens per second of this process, up to which each one goes at once."""
BUSY_RATE = 5000.0
"""From here on a tick is the longest one."""
ACCOUNT_SECONDS = 0.25


class Pace:
    """One per process, shared by its turns."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick_seconds = 0.0
        self._waiting: list[asyncio.Future[None]] = []
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
            self._tick_seconds = LONGEST_TICK_SECONDS * min(max(load, 0.0), 1.0)
            self._counted, self._since = 0, self._loop.time()

    async def wait(self) -> None:
        """Until the next tick; in calm times there is nothing to wait for."""
        if not self._waiting:
            if not self._tick_seconds:
                return
            self._loop.call_later(self._tick_seconds, self._release)
        tick = self._loop.create_future()
        self._waiting.append(tick)
        await tick

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for tick in waiting:
            if not tick.done():  # by a turn that was stopped meanwhile
                tick.set_result(None)
