"""The chat service: what the routes ask for, in the order that keeps every promise."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext, suppress

import msgspec
import structlog

from api.inputs.chat import ChatRequest
from api.services import Services
from api.streams.cursor import Cursor
from api.streams.live_feed import fill_from_store
from core.agents.agent import Agent, AgentSnapshot
from core.model.context import RequestContext
from core.model.errors import (
    BrokerDown,
    DirectTurn,
    InvalidEventId,
    NotFound,
    TooLarge,
    TurnRunning,
    UnsupportedOption,
    error_of,
)
from core.model.events import Done
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.reach import Reach
from core.store.store import Store
from core.store.turns.orphans import process_lost
from core.store.turns.records import Created, NewTurn, Turn
from core.turns.attempts.compatibility import check_agents, check_queue

log = structlog.get_logger()

DELETE_WAIT_SECONDS = 10.0
"""A running turn of a session that is deleted ends within a second, as a rule."""


class Chat:
    def __init__(self, services: Services, store: Store, reach: Reach, context: RequestContext) -> None:
        """`store`: within the caller's reach. `context`: the caller's, which its turns go on to tell of."""
        self._store = store
        self._reach = reach
        self._agents = services.agents
        self._context = context
        self._connection = services.connection
        self._feeds = services.feeds
        self._direct = services.direct
        self._owner = services.owner
        self._queue = services.queue
        self._settings = services.settings

    async def ask(self, request: ChatRequest) -> Created:
        """Store the turn, and in queue mode queue its job.

        Raises TurnRunning, ReplaceConflict, BrokerDown, StoreDown, TooLarge, QueueFull, UnknownModel,
        UnsupportedOption, Upgrading; NotFound for its session or agent; AgentUnreadable.
        """
        if request.messages is not None:  # a question and its history
            limit = self._settings.max_message_chars + self._settings.max_history_chars
            check_length("messages", request.chars, limit)
        agent = await self._agents.get(request.agent_id, self._reach) if request.agent_id is not None else None
        snapshot = self.snapshot(agent) if agent is not None else None
        if snapshot is not None and snapshot["tools"] and request.options.tools:
            raise UnsupportedOption("an agent that has tools takes none from a question")
        new = request.new_turn(
            self._owner.catalogue.default_model, self._direct.process_id, self._context, agent, snapshot
        )
        return await self.submit(new)

    def snapshot(self, agent: Agent) -> AgentSnapshot:
        """What a turn keeps of it, with those of its tools that there are, and that the caller's key may use."""
        key_name = self._reach.key_name
        return agent.snapshot(self._owner.toolbox.allowed(agent.tools, key_name), key_name)

    async def submit(self, new: NewTurn, *, starts_direct: bool = False) -> Created:
        """Store a turn, and queue its job. `starts_direct`: a direct turn is started here as well, which is else for
        the caller to answer. Raises what `ask` raises, and ConversationBusy."""
        if new.input is None or "messages" not in new.input:
            check_length("message", len(new.message), self._settings.max_message_chars)
        new = msgspec.structs.replace(new, queue=self._owner.catalogue.find(new.model).queue)
        if new.mode == "queue":  # before anything is stored
            if new.input is not None and "agent" in new.input:
                check_agents(self._owner.keeper.oldest_format)
            if new.queue is not None:
                check_queue(self._owner.keeper.oldest_format)
            self._connection.check_up()
        return await self._queue.carry(f"submit to {new.session_id}", self._submit(new, starts_direct))

    def answer_directly(self, turn: Turn, *, may_restart: bool) -> AbstractAsyncContextManager[Feed]:
        return self._direct.answer(turn, may_restart=may_restart)

    async def find(self, session_id: str, turn: int | None, last_event_id: str | None) -> tuple[Turn, Cursor | None]:
        """The turn to stream and where to go on. Raises NotFound, InvalidEventId, DirectTurn."""
        cursor = Cursor.parse(last_event_id) if last_event_id else None
        if cursor is not None and turn not in (None, cursor.turn):
            raise InvalidEventId(f"Last-Event-ID {cursor} is of turn {cursor.turn}, but turn {turn} was asked for")
        number = turn if turn is not None else cursor.turn if cursor is not None else None
        if number is None:
            found = await self._store.turns.latest(session_id)
        else:
            found = await self._store.turns.get(TurnKey(session_id, number))
        if found.mode == "direct" and not found.finished:
            raise DirectTurn("this turn runs in direct mode; it can be read by others once it is finished")
        return found, cursor

    def watch(self, turn: Turn) -> AbstractAsyncContextManager[Feed]:
        """The feed of a turn: from the store once it is finished, else live."""
        if not turn.finished:
            return self._feeds.attach(turn.key)
        feed = Feed(turn.key)
        fill_from_store(feed, turn)
        return nullcontext(feed)

    async def answered(self, key: TurnKey) -> Turn:
        """A turn that has ended well, or was cancelled. Raises the error that it ended with."""
        turn = await self._store.turns.get(key)
        if turn.error_code is not None:
            raise error_of(turn.error_code, turn.error_message or "")
        return turn

    async def cancel(self, session_id: str, number: int | None = None) -> Turn:
        """A turn of the session, or all of them that are not finished. Raises NotFound. A running one ends by its
        owner, which looks for this several times a second."""
        turn, ended_here = await self._store.turns.request_cancel(session_id, number)
        for ended in ended_here:
            await self._tell_end(ended)
        if not turn.finished:
            cancelled = Done(turn.attempt, 0, "cancelled")
            if await self._owner.endings.end(turn, cancelled):  # its owner is gone
                return await self._store.turns.get(turn.key)
        return turn

    async def delete(self, session_id: str) -> None:
        """Raises NotFound. Stops a running turn first, so that its viewers see an end."""
        with suppress(NotFound):  # a conversation of its narrator alone has no turns
            await self._stop(session_id)
        await self._store.sessions.delete(session_id)

    async def _stop(self, session_id: str) -> None:
        """Until it has ended, within reason."""
        turn = await self.cancel(session_id)
        try:
            async with asyncio.timeout(DELETE_WAIT_SECONDS):
                while not turn.finished:
                    await asyncio.sleep(0.05)
                    turn = await self._store.turns.get(turn.key)
        except TimeoutError:
            log.warning("deleted while running", action="chat.delete", session_id=session_id)

    async def _tell_end(self, turn: Turn) -> None:
        """Of one that was ended here, before it ran."""
        end = turn.end()
        if end is not None:
            self._owner.endings.tell(turn, end)
            if turn.mode == "queue":
                await self._owner.endings.announce(turn, end)

    async def _submit(self, new: NewTurn, starts_direct: bool) -> Created:
        created = await self._create(new)
        if not created.is_new:
            return created
        if created.turn.status == "queued":
            try:
                await self._queue.publish(created.turn, created.position)
            except BrokerDown:
                if await self._store.turns.discard(created.turn.key):
                    raise
        elif created.turn.status == "running" and starts_direct:
            self._direct.start(created.turn)
        return created

    async def _create(self, new: NewTurn) -> Created:
        limit = self._settings.max_queued_turns
        try:
            return await self._store.turns.create(new, limit)
        except TurnRunning:
            lost = await self._store.orphans.lost_direct(new.session_id)
            if not [turn for turn in lost if await self._owner.endings.end(turn, process_lost(turn))]:
                raise
            return await self._store.turns.create(new, limit)


def check_length(field: str, chars: int, limit: int) -> None:
    """Raises TooLarge."""
    if chars > limit:
        raise TooLarge(f"{field} has {chars} characters; the limit is {limit}", field=field)
