"""The sweeper: queues turns again that a crash left behind. Every worker sweeps; the store lets one act."""

import asyncio

import structlog

from core.background import Background
from core.broker.connection import BrokerConnection
from core.broker.jobs import Job, publish_job
from core.broker.topology import JobQueue, declare_jobs, log_name
from core.model.errors import BrokerDown, StoreDown
from core.store.store import Store
from core.store.turns.orphans import Requeued

log = structlog.get_logger()

SWEEP_SECONDS = 0.25
"""A takeover is due within 5 s, of which the owner's silence takes 3.5."""
OVERDUE_EVERY = 8
"""Sweeps: lost jobs are looked for every two seconds."""
LEFT_LOGS_EVERY = 240
"""Sweeps: at the start and once a minute, for a log that is left behind harms nobody."""


class Sweeper:
    def __init__(self, store: Store, connection: BrokerConnection) -> None:
        self._store = store
        self._connection = connection
        self._sweeps = 0
        self._background = Background()

    def start(self) -> None:
        """Once the store is open."""
        away = (StoreDown, BrokerDown)
        self._background.repeat("sweeper", self._sweep, pause_seconds=SWEEP_SECONDS, put_off_by=away)

    async def stop(self) -> None:
        await self._background.stop()

    async def _sweep(self) -> None:
        sweeps = self._sweeps
        self._sweeps += 1
        await self._requeue(await self._store.orphans.requeue_lost(), "orphaned")
        if sweeps % OVERDUE_EVERY == OVERDUE_EVERY - 1:
            await self._sweep_overdue()
        if sweeps % LEFT_LOGS_EVERY == 0:
            await self._delete_left_logs()

    async def _sweep_overdue(self) -> None:
        """A turn that waits while no job waits has lost its job; while jobs wait, it is just not its turn yet."""
        for queue in await self._store.orphans.overdue_queues():
            if (await self._look_at(queue)).waiting == 0:
                await self._requeue(await self._store.orphans.requeue_overdue(queue), "overdue")

    async def _delete_left_logs(self) -> None:
        """Deleting one that is not there is no error in RabbitMQ."""
        for key in await self._store.orphans.left_logs():
            await self._connection.call(lambda channel, key=key: channel.queue_delete(log_name(key)))  # type: ignore[misc]

    async def _requeue(self, turns: list[Requeued], why: str) -> None:
        if not turns:
            return
        copies = {queue: await self._copies(queue) for queue in {turn.queue for turn in turns}}
        for key, context, *_ in turns:
            log.warning(
                "job queued again",
                action="sweep.requeue",
                session_id=key.session_id,
                turn=key.turn,
                request_id=context.request_id,
                why=why,
            )
        # Together, since a worker that ran hundreds of turns may be gone, and everybody waits.
        again = [
            Job(turn.key, turn.context, self._store.id, turn.silent_beat, turn.queue)
            for turn in turns
            for _ in range(copies[turn.queue])
        ]
        await asyncio.gather(*(publish_job(self._connection, job) for job in again))

    async def _copies(self, queue: str | None) -> int:
        """So many that one gets to a worker that lives: RabbitMQ serves its consumers in turn, and does not know which
        of them are frozen. A job too many costs one look into the store."""
        consumers = (await self._look_at(queue)).consumers
        # Not every worker serves a queue that has a name.
        alive = await self._store.processes.count_alive("worker") if queue is None else 1
        return max(consumers - alive, 0) + 1

    async def _look_at(self, queue: str | None) -> JobQueue:
        return await self._connection.call(lambda channel: declare_jobs(channel, queue))
