"""The runtime: one background event loop per worker process, and all that its turns share."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import uvloop
from aiormq.abc import AbstractChannel
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.worker import state

from core.background import Background
from core.broker.connection import MANY_CHANNELS, BrokerConnection
from core.broker.topology import declare_all
from core.providers.catalogue.models import ENGINE_QUEUE
from core.settings import Settings
from core.store.errors import StoreUnusable
from core.store.retry import open_when_up
from core.turns.owner import TurnOwner
from workers.dead_jobs import DeadJobs
from workers.liveness import ConsumptionCheck, Slots
from workers.queues import served_queues
from workers.replacement import replace_when_stuck
from workers.sweeper import Sweeper
from workers.turn_handler import TurnHandler

if TYPE_CHECKING:
    from workers.health import HealthServer

log = structlog.get_logger()
T = TypeVar("T")

SIGNAL_CHECK_SECONDS = 0.2


class Runtime:
    """`start()` and `stop()` from the main thread, `submit()` from any."""

    def __init__(self, settings: Settings, slots: Callable[[], Slots]) -> None:
        self.turns: TurnHandler
        self._settings = settings
        self._queues = served_queues(settings)
        self._slots = slots
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="runtime", daemon=True)
        self._background = Background()
        self._health: HealthServer | None = None

    def start(self) -> None:
        """Raises WorkerShutdown where the store cannot be used; and, where a signal comes meanwhile, Celery's
        exceptions for it, since Celery's own loop, which would see the signal, does not run yet."""
        self._thread.start()
        opening = self.submit(self._open())
        while not wait([opening], timeout=SIGNAL_CHECK_SECONDS).done:
            state.maybe_shutdown()
        try:
            opening.result()
        except StoreUnusable as error:
            log.critical(error.message, action="worker.cannot_run")
            raise WorkerShutdown(EX_FAILURE) from error

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call_soon(self, callback: Any, *args: Any) -> None:
        self._loop.call_soon_threadsafe(callback, *args)

    def retire(self) -> None:
        """The worker takes no more jobs, and that is as it should be; nor does it begin what it may have to cut off."""
        self.call_soon(self._liveness.retire)
        self.call_soon(self._owner.keeper.retire)

    def stop(self) -> None:
        self.submit(self._close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        settings = self._settings
        self._connection = BrokerConnection(
            settings.rabbit_mq, "hopstream worker", self._set_up, channels=MANY_CHANNELS, publishes=True
        )
        self._owner = owner = TurnOwner("worker", settings, self._connection)
        await open_when_up(owner.store)  # without it there is nothing to do
        self.turns = TurnHandler(owner)
        self._dead_jobs = DeadJobs(owner.store, self._connection, owner.endings, self.turns.announce_end)
        self._sweeper = Sweeper(owner.store, self._connection)
        self._liveness = ConsumptionCheck(self._connection, self._slots, settings.worker_stuck_seconds, self._queues)
        if settings.worker_health_port:
            from workers.health import HealthServer  # aiohttp's server: a tenth of the start of those who have no port

            self._health = HealthServer(self._liveness, self._connection)
            await self._health.start(settings.api_host, settings.worker_health_port)
        self._connection.start()
        if ENGINE_QUEUE in self._queues:
            owner.catalogue.load_engines()
        owner.keeper.start()
        self._sweeper.start()
        replacing = replace_when_stuck(self._liveness, owner.keeper, settings.shutdown_grace)
        self._background.run("replacement", replacing)
        self._background.run("warm up", owner.warm_up())

    async def _set_up(self, channel: AbstractChannel) -> None:
        await declare_all(channel, self._queues)
        await self._dead_jobs.consume(channel)

    async def _close(self) -> None:
        await self._background.stop()
        await self._sweeper.stop()
        if self._health is not None:
            await self._health.stop()
        await self._owner.stop()
