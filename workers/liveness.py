"""Liveness by progress: finds out that a worker takes no jobs though it should.

A Celery consumer can stop consuming while its process, its heartbeat and its connection live on. It is stuck when jobs
wait, slots are free, and no job was accepted for a while.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

import structlog
from aiormq.abc import AbstractChannel

from core.broker.connection import BrokerConnection
from core.broker.topology import declare_jobs
from core.model.errors import BrokerDown

log = structlog.get_logger()

START_SECONDS = 120.0
"""In which a worker begins to take jobs, however slow its machine is."""
LOOKS = 10
"""How often it is looked, in the time after which a worker counts as stuck."""


class Slots(NamedTuple):
    """Of the pool, at this moment."""

    busy: int
    free: int
    accepted: int
    """Jobs since the process started."""
    is_consuming: bool = True
    """Whether Celery's consumer is ready."""


class ConsumptionCheck:
    def __init__(
        self,
        connection: BrokerConnection,
        slots: Callable[[], Slots],
        stuck_seconds: float,
        queues: Sequence[str | None] = (None,),
    ) -> None:
        """`queues`: from which the worker takes jobs."""
        self.waiting = 0
        """Jobs that waited for this worker, or one like it, at the last check."""
        self._connection = connection
        self._slots = slots
        self._stuck_seconds = stuck_seconds
        self._queues = queues
        self._accepted = 0
        self._retired = False
        self._has_begun = False
        """Whether Celery's consumer was ever ready."""
        self._moved_at = monotonic()

    @property
    def slots(self) -> Slots:
        return self._slots()

    @property
    def stuck(self) -> bool:
        limit = self._stuck_seconds if self._has_begun else max(START_SECONDS, self._stuck_seconds)
        return not self._retired and monotonic() - self._moved_at >= limit

    def retire(self) -> None:
        """The worker stops in order: it is meant to take no more jobs."""
        self._retired = True

    async def until_stuck(self) -> None:
        """Look now and then; return as soon as the worker is stuck."""
        while not self.stuck:
            await asyncio.sleep(self._stuck_seconds / LOOKS)
            await self.check()

    async def check(self) -> None:
        try:
            self.waiting = await self._connection.call(self._count_waiting)
        except BrokerDown:
            self.waiting = 0  # nobody gets a job then
        slots = self.slots
        begins = slots.is_consuming and not self._has_begun
        if begins or not self.waiting or not slots.free or slots.accepted != self._accepted:
            self._has_begun = self._has_begun or begins
            self._accepted = slots.accepted
            self._moved_at = monotonic()

    async def _count_waiting(self, channel: AbstractChannel) -> int:
        return sum([(await declare_jobs(channel, queue)).waiting for queue in self._queues])
