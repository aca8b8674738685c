"""The lease: a process's right to publish, which lasts as long as its heartbeats reach the database."""

import asyncio
from time import monotonic

LEASE_SECONDS = 2.5
"""Shorter than the time after which others take a process's turns over (SILENT_SECONDS): a process that was frozen, or
cannot reach the database, stops publishing before another one starts."""


class Lease:
    """Renewed by every heartbeat. Measured by the monotonic clock, which goes on while the process is frozen."""

    def __init__(self) -> None:
        self._renewed_at = float("-inf")
        self._renewed = asyncio.Event()

    @property
    def valid(self) -> bool:
        return self.age() < LEASE_SECONDS

    def age(self) -> float:
        """Seconds since the last heartbeat."""
        return monotonic() - self._renewed_at

    def renew(self, at: float) -> None:
        """`at`: the monotonic time before the heartbeat was sent."""
        self._renewed_at = at
        self._renewed.set()

    async def wait_valid(self) -> None:
        while not self.valid:
            self._renewed.clear()
            await self._renewed.wait()
