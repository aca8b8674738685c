"""The teller: tells one client the turns of its conversation, one after the other, each to its end."""

import asyncio
from collections import deque

import structlog

from api.chat import Chat
from api.queue import Queue
from api.streams.cursor import Cursor
from api.streams.viewer import Sink, Viewer
from api.wires.agent_socket import AgentSocketWire
from api.wires.base import Unfinished, WireContext
from core.idle_timer import IdleTimer
from core.model.errors import Closing, NotFound
from core.model.events import Failed
from core.model.keys import TurnKey
from core.store.retry import retry_while_down
from core.store.store import Store
from core.store.turns.records import Turn

log = structlog.get_logger()


class Teller:
    def __init__(
        self, chat: Chat, store: Store, queue: Queue, sink: Sink, idle_timer: IdleTimer, *, knows_restarts: bool
    ) -> None:
        """`store`: within the client's reach. `idle_timer`: the connection's. `knows_restarts`: whether the client can
        take back what it was told."""
        self._chat = chat
        self._store = store
        self._queue = queue
        self._sink = sink
        self._idle_timer = idle_timer
        self._knows_restarts = knows_restarts
        self._to_tell: deque[tuple[TurnKey, Cursor | None]] = deque()
        self._known: set[TurnKey] = set()
        """That were told, or will be."""
        self._added = asyncio.Event()
        self._is_telling = False

    @property
    def is_idle(self) -> bool:
        return not self._is_telling and not self._to_tell

    def add(self, key: TurnKey, cursor: Cursor | None = None, *, is_new: bool = False) -> None:
        """A turn is to be told as well, behind the others; once at most. `cursor`: what the client has of it. `is_new`:
        what was told of its key before is of another turn, which was taken back or deleted long ago."""
        if key not in self._known or (is_new and all(key != waiting for waiting, _ in self._to_tell)):
            self._known.add(key)
            self._to_tell.append((key, cursor))
            self._added.set()

    async def run(self) -> None:
        """Until it is cancelled. Raises Closing once this process shuts down."""
        while True:
            await self._added.wait()
            self._added.clear()
            while self._to_tell:
                self._is_telling = True
                await self._tell(*self._to_tell.popleft())
                self._is_telling = False

    async def _tell(self, key: TurnKey, cursor: Cursor | None) -> None:
        try:
            turn = await retry_while_down(lambda: self._startable(key))
        except NotFound as error:  # deleted meanwhile
            await self._tell_end(key, cursor, error)
            return
        wire = AgentSocketWire(WireContext.of(turn, knows_restarts=self._knows_restarts))
        async with self._chat.watch(turn) as feed:
            try:
                await Viewer(feed, cursor, wire, self._sink, self._idle_timer).run()
            except Unfinished as error:
                log.info("told no further", action="conversation.untold", session_id=key.session_id, reason=str(error))
            if isinstance(feed.error, Closing):
                raise feed.error

    async def _tell_end(self, key: TurnKey, cursor: Cursor | None, error: NotFound) -> None:
        """Of a turn that was accepted, and of which nothing is to be told any more."""
        at = cursor or Cursor(key.turn, 1, 0)
        wire = AgentSocketWire(WireContext(key=key, model="", created_at=0.0))
        end = Failed(at.attempt, at.position, error.code, error.message)
        await self._sink.send(wire.ended(at._replace(position=at.position + 1), end))

    async def _startable(self, key: TurnKey) -> Turn:
        """The turn, which is started if it waits for nothing any more."""
        turn = await self._store.turns.get(key)
        if turn.status != "waiting":
            return turn
        await self._queue.start_next(key.session_id)
        return await self._store.turns.get(key)
