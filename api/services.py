"""What the routes use, made once per process and closed in order."""

import signal

import structlog
from aiormq.abc import AbstractChannel

from api.access.access import Access
from api.access.rate_limit import RateLimit
from api.conversations.open import OpenConversations
from api.direct import DirectRuns
from api.housekeeping import Housekeeping
from api.narrator.desk import NarratorDesk
from api.narrator.relay import Relay
from api.queue import Queue
from api.streams.direct_publishing import DirectPublishing
from api.streams.feeds import Feeds
from api.watchers.live_turns import LiveTurns
from core.agents.registry import AgentRegistry, backend_of
from core.background import Background
from core.broker.connection import BrokerConnection
from core.broker.topology import declare_all
from core.settings import Settings
from core.store.errors import StoreUnusable
from core.store.retry import open_when_up, retry_while_down
from core.turns.owner import TurnOwner

log = structlog.get_logger()


class Services:
    """`start()` never waits for broker or store: the API serves, says what is missing, and recovers by itself."""

    def __init__(self, settings: Settings, access: Access, relay: Relay | None = None) -> None:
        """`relay`: in place of all controllers, for tests."""
        self.settings = settings
        self.access = access
        self.rate_limit = RateLimit(settings)
        self.connection = BrokerConnection(settings.rabbit_mq, "hopstream api", self._declare, publishes=True)
        self.owner = TurnOwner("api", settings, self.connection)
        self.store = self.owner.store
        self.catalogue = self.owner.catalogue
        self.agents = AgentRegistry(backend_of(settings, self.store), self.owner.toolbox.allowed)
        self._direct_publishing = DirectPublishing(self.owner)
        self.feeds = Feeds(self.store, settings.rabbit_mq, self.connection, self._direct_publishing)
        self.live_turns = LiveTurns(self.store, self.feeds, settings.rabbit_mq, settings.max_watchers)
        self.direct = DirectRuns(self.owner.runs, self.owner.keeper)
        self.queue = Queue(self.store, self.connection, self.feeds, self.direct, self.owner.subscribers)
        self.conversations = OpenConversations()
        self.narrators = NarratorDesk(self.store, self.owner.bus, settings.rabbit_mq, relay)
        self._housekeeping = Housekeeping(self.store, self.owner.endings)
        self._background = Background()

    @property
    def broker_up(self) -> bool:
        return self.connection.up and self.feeds.up

    def start(self) -> None:
        self.connection.start()
        self.feeds.start()
        self._background.run("open the store", self._open_store())
        self._background.run("warm up", self.owner.warm_up())

    def closing(self) -> None:
        """A signal to stop has come: end the streams, or the server would wait for them."""
        self.live_turns.close()
        self.conversations.close()
        self.narrators.close()
        self.feeds.end_all()
        self.direct.stop_soon()

    async def stop(self) -> None:
        await self.narrators.stop()
        await self.queue.stop()
        await self.direct.stop()  # once nothing starts a turn any more
        await self.live_turns.stop()
        await self.feeds.stop()
        await self._direct_publishing.stop()
        await self._background.stop()
        await self._housekeeping.stop()
        await self.agents.close()
        await self.owner.stop()

    async def _declare(self, channel: AbstractChannel) -> None:
        await declare_all(channel, self.catalogue.queues)

    async def _open_store(self) -> None:
        """What needs it starts once it is there. Without a database that can be used the process ends, so that a
        supervisor and its operator see it."""
        try:
            await open_when_up(self.store)
        except StoreUnusable as error:
            log.critical(error.message, action="api.cannot_run")
            signal.raise_signal(signal.SIGTERM)
            return
        self.owner.keeper.start()
        self._housekeeping.start()
        self.queue.start()
        self._background.run("default agents", retry_while_down(self.agents.make_defaults))
