"""What a process needs that owns turns: workers and API processes alike."""

import asyncio

from core.broker.connection import BrokerConnection
from core.broker.jobs import job_template
from core.bus.publisher import BusPublisher
from core.gc_tuning import tune_gc
from core.process_id import process_id
from core.providers.catalogue.catalogue import Catalogue
from core.settings import Settings
from core.store.store import Store
from core.telemetry.catalogue import turn_subscribers
from core.tools.toolbox import Toolbox
from core.turns.endings import Endings
from core.turns.keeper import Keeper
from core.turns.services import RunServices
from core.turns.ticks import TickScheduler


class TurnOwner:
    def __init__(self, kind: str, settings: Settings, connection: BrokerConnection) -> None:
        """`kind` is api, worker or python (`core.turns.call`); `connection` can publish."""
        own_id = process_id(kind)
        self.settings = settings
        self.connection = connection
        self.store = Store(settings.database_url)
        self.catalogue = Catalogue(settings)
        self.toolbox = Toolbox(settings)
        self.bus = BusPublisher(connection, own_id)
        self.subscribers = turn_subscribers(settings, self.bus)
        self.keeper = Keeper(self.store, own_id, kind, self.catalogue.states)
        self.endings = Endings(self.store, connection, self.subscribers)
        self.runs = RunServices(
            store=self.store,
            catalogue=self.catalogue,
            settings=settings,
            process_id=own_id,
            subscribers=self.subscribers,
            ticks=TickScheduler(),
            toolbox=self.toolbox,
            oldest_format=lambda: self.keeper.oldest_format,
        )

    async def warm_up(self) -> None:
        """What a process needs soon, but not in order to start, is loaded by a thread meanwhile."""
        await asyncio.to_thread(self._load)
        tune_gc()

    def _load(self) -> None:
        job_template()
        self.catalogue.prepare()

    async def stop(self) -> None:
        """Once no turn runs any more."""
        await self.keeper.stop()
        self.bus.publish()
        await self.connection.stop()
        await self.catalogue.close()
        await self.toolbox.close()
        await self.store.close()
