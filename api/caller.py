"""A caller: one request's view of the services, in which it finds its own sessions and nobody else's."""

from contextlib import AbstractContextManager

from api.access.access import stream_path
from api.chat import Chat
from api.conversations.asking import turn_of
from api.conversations.open import Closable
from api.conversations.teller import Teller
from api.inputs.agent_frames import TurnMessage, TurnOptions
from api.inputs.watching import Watching
from api.narrator.narrations import Narrations, Say
from api.narrator.narrator import Narrator
from api.narrator.registration import Refuse, Registration
from api.services import Services
from api.streams.viewer import Sink
from api.watchers.batches import Pace
from api.watchers.framing import Framing
from api.watchers.progress import Resumption
from api.watchers.subscriptions import Subscriptions
from api.watchers.watcher import Watcher
from core.agents.agent import Agent
from core.idle_timer import IdleTimer
from core.model.context import RequestContext
from core.store.reach import Reach
from core.store.turns.records import Created, Turn


class Caller:
    def __init__(self, services: Services, reach: Reach, context: RequestContext, root_path: str) -> None:
        """`root_path`: the prefix under which the caller sees the API."""
        self.reach = reach
        self.store = services.store.within(reach)
        self.agents = services.agents
        """Of all keys: its methods take the reach."""
        self.chat = Chat(services, self.store, reach, context)
        self.max_message_chars = services.settings.max_message_chars
        self._services = services
        self._context = context
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

    async def agent(self, agent_id: str) -> Agent:
        """Raises NotFound, AgentUnreadable."""
        return await self.agents.get(agent_id, self.reach)

    def tools(self) -> list[tuple[str, str | None]]:
        """Names and descriptions of those that the caller's key may use."""
        return self._services.owner.toolbox.listed(self.reach.key_name)

    async def ask_agent(
        self, message: TurnMessage, agent_id: str, options: TurnOptions, session_id: str, *, is_counted: bool = False
    ) -> Created:
        """Store the turn, and have it answered; a message that comes again has its turn, whatever would refuse it now.
        `is_counted`: the request has been counted before. Raises NotFound, AgentUnreadable, RateLimited, and what
        `Chat.submit` does."""
        if message.message_id is not None:
            known = await self.store.turns.find(session_id, message.message_id)
            if known is not None:
                return Created(known, 0, is_new=False)
        services, agent = self._services, await self.agent(agent_id)
        if self.reach.key_name is not None and not is_counted:
            await services.rate_limit.spend(self.reach.key_name)
        new = turn_of(
            message,
            agent,
            options,
            session_id,
            default_model=services.catalogue.default_model,
            process_id=services.direct.process_id,
            snapshot=self.chat.snapshot(agent),
            context=self._context,
        )
        return await self.chat.submit(new, starts_direct=True)

    def teller(self, sink: Sink, idle_timer: IdleTimer, *, knows_restarts: bool) -> Teller:
        return Teller(self.chat, self.store, self._services.queue, sink, idle_timer, knows_restarts=knows_restarts)

    @property
    def narrator(self) -> Narrator:
        """Of the caller's conversations."""
        return Narrator(self._services.narrators, self.store, self, self.reach.key_name, self.max_message_chars)

    def narrations(self, session_id: str, after: int, say: Say) -> Narrations:
        """`after`: the last one that the client has."""
        return Narrations(self.store, self._services.narrators.news, session_id, after, say)

    def registration(self, say: Say, refuse: Refuse) -> Registration:
        """Of a connection that may become a controller's."""
        services = self._services
        return Registration(self.store, services.narrators.news, services.direct.process_id, say, refuse)

    def hold_conversation(self, conversation: Closable) -> AbstractContextManager[None]:
        """For as long as it is open. Raises Closing."""
        return self._services.conversations.hold(conversation)

    def watcher(self, asked: Watching, framing: Framing, sink: Sink, resumption: Resumption | None) -> Watcher:
        """Of the turns within the caller's reach."""
        settings = self._services.settings
        gather_ms = settings.watch_batch_ms if asked.batch_ms is None else asked.batch_ms
        pace = Pace(gather_ms / 1000, settings.watch_events_per_second)
        subscriptions = Subscriptions(self.reach, asked.subscription())
        return Watcher(self._services.live_turns, subscriptions, framing, sink, pace, resumption)
