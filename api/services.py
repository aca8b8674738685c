"""What the routes use, made once per process and closed in order."""

import asyncio
from contextlib import suppress

from aiormq.abc import AbstractChannel

from api.direct import DirectRuns
from api.housekeeping import Housekeeping
from api.http.access import Access
from api.http.rate_limit import RateLimit
from api.streams.feeds import Feeds
from core.broker.connection import BrokerConnection
from core.broker.topology import declare_jobs, declare_sessions
from core.model.errors import StoreDown
from core.providers.catalogue import create_provider
from core.settings import Settings
from core.store.retry import open_when_up
from core.store.store import Store
from core.turns.keeper import Keeper, new_process_id


class Services:
    """`start()` never waits for broker or store: the API serves, says what is missing, and recovers by itself."""

    def __init__(self, settings: Settings, access: Access) -> None:
        process_id = new_process_id("api")
        self.settings = settings
        self.access = access
        self.rate_limit = RateLimit(settings)
        self.provider = create_provider(settings)
        self.store = Store(settings.database_url)
        self.connection = BrokerConnection(settings.rabbit_mq, "hopstream api", _declare, has_fast_channel=True)
        self.feeds = Feeds(self.store, settings.rabbit_mq, self.connection)
        self.keeper = Keeper(self.store, process_id, "api")
        self.direct = DirectRuns(
            store=self.store,
            keeper=self.keeper,
            provider=self.provider,
            settings=settings,
            process_id=process_id,
        )
        self._running: asyncio.Task[None] | None = None

    @property
    def broker_up(self) -> bool:
        return self.connection.up and self.feeds.up

    def start(self) -> None:
        self.connection.start()
        self.feeds.start()
        self._running = asyncio.create_task(self._run(), name="services")

    def closing(self) -> None:
        """A signal to stop has come: end the streams, or the server would wait for them."""
        self.feeds.end_all()
        self.direct.stop_soon()

    async def stop(self) -> None:
        await self.direct.stop()
        await self.feeds.stop()
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        with suppress(StoreDown):
            await self.keeper.leave()
        await self.connection.stop()
        await self.provider.close()
        await self.store.close()

    async def _run(self) -> None:
        await open_when_up(self.store, "api.store_down")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keeper.run(), name="keeper")
            tasks.create_task(Housekeeping(self.store, self.connection, self.keeper.lease).run(), name="housekeeping")


async def _declare(channel: AbstractChannel) -> None:
    await declare_sessions(channel)
    await declare_jobs(channel)
