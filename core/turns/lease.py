"""The lease: a process's right to publish, which lasts as long as its heartbeats reach the database."""

import asyncio
from time import monotonic

LEASE_SECONDS = 2.5
"""Others take our turns over a second later: a process that was frozen falls silent by itself first."""

SETTLE_SECONDS = 6.0
"""What a process may take to be heard of once the database is back: it may be waiting for a connection (5 s)."""


class Lease:
    """The right to publish, renewed by every heartbeat; by the monotonic clock, which goes on while we are frozen."""

    def __init__(self) -> None:
        self._renewed_at = float("-inf")
        self._renewed = asyncio.Event()
        self._settled_at = float("-inf")

    @property
    def valid(self) -> bool:
        return self.age() < LEASE_SECONDS

    @property
    def settled(self) -> bool:
        """Whether others that are silent are so by themselves: after a time without the database all are, at first."""
        return self.valid and monotonic() >= self._settled_at

    def age(self) -> float:
        """Seconds since the last heartbeat."""
        return monotonic() - self._renewed_at

    def renew(self, at: float) -> None:
        """`at`: the monotonic time before the heartbeat was sent."""
        if self._renewed_at > float("-inf") and not self.valid:
            self._settled_at = monotonic() + SETTLE_SECONDS
        self._renewed_at = at
        self._renewed.set()

    async def wait_valid(self) -> None:
        while not self.valid:
            self._renewed.clear()
            await self._renewed.wait()
