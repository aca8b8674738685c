"""A caller: one request's view of the services, in which it finds its own sessions and nobody else's."""

from api.access.access import stream_path
from api.chat import Chat
from api.inputs.watching import Watching
from api.services import Services
from api.streams.viewer import Sink
from api.watchers.batches import Pace
from api.watchers.framing import Framing
from api.watchers.progress import Resumption
from api.watchers.subscriptions import Subscriptions
from api.watchers.watcher import Watcher
from core.agents.agent import Agent
from core.model.context import RequestContext
from core.store.reach import Reach
from core.store.turns.records import Turn


class Caller:
    def __init__(self, services: Services, reach: Reach, context: RequestContext, root_path: str) -> None:
        """`root_path`: the prefix under which the caller sees the API."""
        self.reach = reach
        self.store = services.store.within(reach)
        self.agents = services.agents
        """Of all, which ask for the reach."""
        self.chat = Chat(services, self.store, reach, context)
        self._services = services
        self._root_path = root_path

    def stream_url(self, turn: Turn) -> str:
        """Opens the stream for a while without the key."""
        return self._services.access.stream_url(self.reach, turn.key, self._root_path)

    def location(self, turn: Turn) -> str:
        """Of the turn's stream, for whoever has the key."""
        return stream_path(turn.key, self._root_path)

    def agent_location(self, agent: Agent) -> str:
        return f"{self._root_path}/agents/{agent.id}"

    def ticket(self, path: str) -> str:
        """Opens the WebSocket at this path without the key, once."""
        return self._services.access.tickets.issue(self.reach.key_name, path)

    def watcher(self, asked: Watching, framing: Framing, sink: Sink, resumption: Resumption | None) -> Watcher:
        """Of the turns within the caller's reach."""
        settings = self._services.settings
        gather_ms = settings.watch_batch_ms if asked.batch_ms is None else asked.batch_ms
        pace = Pace(gather_ms / 1000, settings.watch_events_per_second)
        subscriptions = Subscriptions(self.reach, asked.subscription())
        return Watcher(self._services.live_turns, subscriptions, framing, sink, pace, resumption)
