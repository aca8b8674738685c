"""The queue, as the API uses it: jobs for turns that can be answered now, and the turns that wait for another one of
their session."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from api.direct import DirectRuns
from api.streams.feeds import Feeds
from core.background import Background
from core.broker.connection import BrokerConnection
from core.broker.jobs import Job, publish_job
from core.model.errors import BrokerDown, StoreDown
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.subscribers import Moment, TurnSubscribers

T = TypeVar("T")
SWEEP_SECONDS = 1.0
"""Turns whose turn has come are started as soon as the one before them is seen to end; this is for those that nobody
looks at."""


class Queue:
    def __init__(
        self,
        store: Store,
        connection: BrokerConnection,
        feeds: Feeds,
        direct: DirectRuns,
        subscribers: TurnSubscribers,
    ) -> None:
        self._store = store
        self._connection = connection
        self._feeds = feeds
        self._direct = direct
        self._subscribers = subscribers
        self._background = Background()

    def start(self) -> None:
        """Once the store is open."""
        self._background.repeat("waiting turns", self._sweep, pause_seconds=SWEEP_SECONDS, put_off_by=(StoreDown,))

    async def stop(self) -> None:
        await self._background.stop()

    async def carry(self, name: str, work: Coroutine[Any, Any, T]) -> T:
        """What stores a turn, and has it answered then: a client that leaves in between must not strand it."""
        return await self._background.carry(name, work)

    async def publish(self, turn: Turn, position: int) -> None:
        """The job of a turn that is queued. Raises BrokerDown."""
        publishing = publish_job(self._connection, Job(turn.key, turn.context, self._store.id, queue=turn.queue))
        # While RabbitMQ takes the job: `call_soon`, so that the job goes first.
        asyncio.get_running_loop().call_soon(self._feeds.expect, turn.key, position)
        await publishing
        self._subscribers.tell(Moment.QUEUED, turn)

    async def start_next(self, session_id: str) -> None:
        """The session's next turn, once the one before it has ended. Raises StoreDown."""
        await self.carry(f"start in {session_id}", self._start_next(session_id))

    async def _start_next(self, session_id: str) -> None:
        turn = await self._store.waiting.start_next(session_id, self._direct.process_id)
        if turn is None:
            return
        if turn.mode == "direct":
            self._direct.start(turn)
            self._feeds.begun(turn.key)
            return
        try:
            await self.publish(turn, await self._store.turns.position(turn))
        except BrokerDown:  # a sweep of the workers queues it again
            return

    async def _sweep(self) -> None:
        for session_id in await self._store.waiting.startable():
            await self.start_next(session_id)
