"""The runtime: one background event loop per worker process, and all that its turns share."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, TypeVar

import uvloop
from aiormq.abc import AbstractChannel
from celery.worker import state

from core.broker.connection import BUSY, BrokerConnection
from core.broker.topology import declare_jobs, declare_sessions
from core.model.errors import StoreDown
from core.providers.catalogue import create_provider
from core.settings import Settings
from core.store.retry import open_when_up
from core.store.store import Store
from core.turns.keeper import Keeper, new_process_id
from workers.dead_jobs import DeadJobs
from workers.health import HealthServer
from workers.liveness import Liveness, Slots
from workers.replacement import replace_when_stuck
from workers.sweeper import Sweeper
from workers.turn_handler import TurnHandler

T = TypeVar("T")

SIGNAL_CHECK_SECONDS = 0.2


class Runtime:
    """`start()` and `stop()` from the main thread, `submit()` from any."""

    def __init__(self, settings: Settings, slots: Callable[[], Slots]) -> None:
        self.turns: TurnHandler
        self._settings = settings
        self._slots = slots
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="runtime", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Raises what a signal asks Celery to do meanwhile: its own loop, which looks at that, runs only later."""
        self._thread.start()
        opening = self.submit(self._open())
        while not wait([opening], timeout=SIGNAL_CHECK_SECONDS).done:
            state.maybe_shutdown()
        opening.result()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call_soon(self, callback: Any, *args: Any) -> None:
        self._loop.call_soon_threadsafe(callback, *args)

    def retire(self) -> None:
        """The worker takes no more jobs, and that is as it should be."""
        self.call_soon(self._liveness.retire)

    def stop(self) -> None:
        self.submit(self._close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        process_id = new_process_id("worker")
        self._store = Store(self._settings.database_url)
        await open_when_up(self._store, "worker.store_down")  # without it there is nothing to do
        self._provider = create_provider(self._settings)
        self._keeper = Keeper(self._store, process_id, "worker")
        self._connection = BrokerConnection(
            self._settings.rabbit_mq, "hopstream worker", self._set_up, channels=BUSY, has_fast_channel=True
        )
        self.turns = TurnHandler(
            store=self._store,
            connection=self._connection,
            keeper=self._keeper,
            provider=self._provider,
            settings=self._settings,
            process_id=process_id,
        )
        self._dead_jobs = DeadJobs(self._store, self.turns.announce_end)
        self._liveness = Liveness(self._connection, self._slots, self._settings.worker_stuck_seconds)
        self._health = HealthServer(self._liveness, self._connection)
        if self._settings.worker_health_port:
            await self._health.start(self._settings.api_host, self._settings.worker_health_port)
        self._connection.start()
        replacing = replace_when_stuck(self._liveness, self._keeper, self._settings.shutdown_grace)
        self._tasks = [
            asyncio.create_task(self._keeper.run(), name="keeper"),
            asyncio.create_task(Sweeper(self._store, self._connection, self._keeper.lease).run(), name="sweeper"),
            asyncio.create_task(replacing, name="replacement"),
        ]

    async def _set_up(self, channel: AbstractChannel) -> None:
        await declare_sessions(channel)
        await declare_jobs(channel)
        await self._dead_jobs.consume(channel)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(StoreDown):
            await self._keeper.leave()
        await self._health.stop()
        await self._connection.stop()
        await self._provider.close()
        await self._store.close()
