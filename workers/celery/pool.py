"""The pool: Celery's thread pool, with one event loop behind it, and with limits and termination that work.

A thread waits for its turn's coroutine. The stock thread pool ignores time limits and `revoke(terminate=True)`; here
both stop the coroutine, so that what Celery's own control, Flower and `inspect` show is true.
"""

import threading
from collections.abc import Callable
from concurrent.futures import wait
from itertools import count
from typing import Any, ClassVar, Self

import structlog
from celery.concurrency import thread
from celery.concurrency.base import apply_target

from core.settings import get_settings
from core.turns.run import Stop
from workers.celery.pool_task import PoolTask
from workers.liveness import Slots
from workers.replacement import HAND_OVER_SECONDS
from workers.runtime import Runtime

log = structlog.get_logger()

HARD_LIMIT_MARGIN_SECONDS = 30
"""After the soft limit a turn is ended in order; only one that cannot be is abandoned this much later."""


class TaskPool(thread.TaskPool):  # type: ignore[misc]  # Celery has no types
    _running: ClassVar[Any] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = get_settings()
        self.runtime = Runtime(self.settings, self.slots)
        self.is_consuming = False
        """Whether Celery's consumer takes jobs; it sets this."""
        self._numbers = count(1)
        self._accepted = 0
        self._tasks: dict[int, PoolTask] = {}
        self._futures: set[Any] = set()
        self._stops = False
        self._thread = threading.local()

    @classmethod
    def running(cls) -> Self:
        """The pool of this process."""
        if cls._running is None:
            raise RuntimeError("no pool runs in this process")
        running: Self = cls._running
        return running

    @property
    def current_task(self) -> PoolTask:
        """That of the calling thread."""
        task: PoolTask = self._thread.task
        return task

    def slots(self) -> Slots:
        busy = len(self._tasks)  # after a lost connection also jobs that came again, which wait for a thread
        return Slots(busy, max(self.limit - busy, 0), self._accepted, self.is_consuming)

    def on_start(self) -> None:
        TaskPool._running = self
        self.runtime.start()

    def on_stop(self) -> None:
        """Finish what runs within the grace time, hand over the rest. A cold shutdown calls it from a signal's handler,
        perhaps in the midst of itself."""
        if self._stops:
            return
        self._stops = True
        self.runtime.retire()
        running = list(self._futures)
        log.info("worker stops", action="worker.stop", running=len(running))
        wait(running, timeout=self.settings.shutdown_grace)
        self.hand_over()
        wait(list(self._futures), timeout=HAND_OVER_SECONDS)
        for task in list(self._tasks.values()):
            task.abandon()
        super().on_stop()
        self.runtime.stop()

    def hand_over(self) -> None:
        """What runs goes to other workers."""
        for task in list(self._tasks.values()):
            self.runtime.call_soon(task.stop, Stop.HANDED_OVER)

    def on_terminate(self) -> None:
        """A second signal: do not wait."""
        for task in list(self._tasks.values()):
            task.abandon()

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """`revoke(terminate=True)`. `pid` is the task's number; one that has ended by now is nothing to stop."""
        task = self._tasks.get(pid)
        if task is not None:
            self.runtime.call_soon(task.terminate)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        timeout_callback: Callable[[bool, float], None] | None = None,
        soft_timeout: float | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> thread.ApplyResult:
        soft_limit, hard_limit = self._limits(soft_timeout, timeout)
        task = PoolTask(next(self._numbers), self.runtime, soft_limit, hard_limit, timeout_callback)

        def run() -> None:
            self._thread.task = task
            try:
                apply_target(target, args, kwargs, callback, accept_callback, pid=task.number)
            finally:
                del self._tasks[task.number]

        self._accepted = task.number
        self._tasks[task.number] = task
        future = self.executor.submit(run)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return thread.ApplyResult(future)

    def _limits(self, soft: float | None, hard: float | None) -> tuple[float, float]:
        """Those of `control time_limit`, else of the command line (`--soft-time-limit`), else of the settings.

        They are no Celery settings, because those would go before the command line.
        """
        soft = soft or self.options.get("soft_timeout") or self.settings.max_turn_seconds
        hard = hard or self.options.get("timeout") or soft + HARD_LIMIT_MARGIN_SECONDS
        return soft, hard

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "jobs": len(self._tasks)}
