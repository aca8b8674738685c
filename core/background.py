"""Background tasks: held, named, and ended together when their service stops."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from core.model.errors import HopstreamError

T = TypeVar("T")
log = structlog.get_logger()


class Background:
    """The tasks of one service: `run` and `repeat` from its `start()`, `stop` from its `stop()`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._carried: set[asyncio.Task[Any]] = set()

    def run(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """In a task of this name. What it raises is logged: nobody else may be waiting for it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def repeat(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        *,
        pause_seconds: float,
        put_off_by: tuple[type[HopstreamError], ...] = (),
    ) -> asyncio.Task[Any]:
        """Call `work` again and again, at once and then after each pause, whatever it raises.

        An error of `put_off_by` means that something it needs is away: that is logged once, until it is back. Any
        other is a bug, which must not end the loop.
        """
        return self.run(name, _repeat(name, work, pause_seconds, put_off_by))

    async def carry(self, name: str, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`, which must not stop half way: it goes on though its caller is cancelled."""
        task = asyncio.create_task(work, name=name)
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._on_done)
            raise

    async def stop(self) -> None:
        """Cancels the tasks and waits for them; what is carried is not cancelled, but waited for."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._carried, return_exceptions=True)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background task broke", action="background.broken", task=task.get_name(), exc_info=error)


async def _repeat(
    name: str, work: Callable[[], Awaitable[object]], pause_seconds: float, put_off_by: tuple[type[HopstreamError], ...]
) -> None:
    is_put_off = False
    while True:
        try:
            await work()
        except put_off_by as error:
            if not is_put_off:
                log.warning("put off", action="background.put_off", task=name, error=error.code)
            is_put_off = True
        except Exception as error:
            log.error("failed", action="background.failed", task=name, exc_info=error)
        else:
            if is_put_off:
                log.info("goes on", action="background.goes_on", task=name)
            is_put_off = False
        await asyncio.sleep(pause_seconds)
