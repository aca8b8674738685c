"""A pool task: one job while it occupies a thread of the pool."""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import Ignore

from core.broker.jobs import Job
from core.turns.run import Stop
from workers.runtime import Runtime

OnTimeout = Callable[[bool, float], None]
"""Celery's record of a limit that was hit: whether it was the soft one, and its seconds."""


class PoolTask:
    """`number` stands where Celery expects a process id. All but `run` and `abandon` run in the runtime's loop."""

    def __init__(
        self,
        number: int,
        runtime: Runtime,
        soft_limit: float | None,
        hard_limit: float | None,
        on_timeout: OnTimeout | None,
    ) -> None:
        self.number = number
        self._runtime = runtime
        self._soft_limit = soft_limit
        self._hard_limit = hard_limit
        self._on_timeout = on_timeout
        self._stop_turn: Callable[[Stop], None] | None = None
        self._stop: Stop | None = None
        self._terminated = False
        self._future: Future[Stop | None] | None = None

    def run(self, job: Job) -> None:
        """In the task's thread. Raises what Celery expects of a task that did not take its course."""
        self._future = self._runtime.submit(self._handle(job))
        try:
            stopped = self._future.result()
        except CancelledError:
            raise Ignore from None
        if self._terminated:
            raise Ignore  # Celery has recorded it as revoked
        if stopped is Stop.TIME_LIMIT:
            raise SoftTimeLimitExceeded(self._soft_limit)

    def stop(self, reason: Stop) -> None:
        """End the turn in order."""
        self._stop = self._stop or reason
        if self._stop_turn is not None:
            self._stop_turn(reason)

    def terminate(self) -> None:
        self._terminated = True
        self.stop(Stop.CANCELLED)

    def abandon(self) -> None:
        """Free the thread at once, whatever the turn does. The keeper releases the turn."""
        if self._future is not None:
            self._future.cancel()

    async def _handle(self, job: Job) -> Stop | None:
        loop = asyncio.get_running_loop()
        timers = []
        if self._soft_limit:
            timers.append(loop.call_later(self._soft_limit, self._hit_soft_limit, self._soft_limit))
        if self._hard_limit:
            timers.append(loop.call_later(self._hard_limit, self._hit_hard_limit, self._hard_limit))
        try:
            return await self._runtime.turns.handle(job, self._set_stop_turn)
        finally:
            for timer in timers:
                timer.cancel()

    def _set_stop_turn(self, stop_turn: Callable[[Stop], None]) -> None:
        self._stop_turn = stop_turn
        if self._stop is not None:
            stop_turn(self._stop)

    def _hit_soft_limit(self, seconds: float) -> None:
        if self._on_timeout is not None:
            self._on_timeout(True, seconds)
        self.stop(Stop.TIME_LIMIT)

    def _hit_hard_limit(self, seconds: float) -> None:
        if self._on_timeout is not None:
            self._on_timeout(False, seconds)
        self.abandon()
