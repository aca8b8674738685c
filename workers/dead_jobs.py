"""Dead jobs: what the job queue threw out. A turn that is really lost, by the queue's delivery limit, gets its terminal
error. One that only waited, until a policy of the operator's let its job expire or drop, is queued again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage

from core.broker.connection import AMQP_ERRORS, BrokerConnection
from core.broker.jobs import BadJob, Job, publish_job, read_job
from core.broker.topology import DEAD_JOBS, DELIVERY_LIMIT
from core.model.errors import BrokerDown, JobDead, NotFound, StoreDown
from core.model.events import Failed
from core.model.keys import TurnKey
from core.store.store import Store
from core.turns.endings import Endings

log = structlog.get_logger()

RETRY_SECONDS = 2.0
REQUEUE_SECONDS = 1.0
"""Before a job is queued again: what threw it out is likely to do so again."""
DELIVERY_LIMIT_REACHED = "delivery_limit"
"""RabbitMQ's word for it, in the header of a dead letter."""


class DeadJobs:
    """Every worker consumes the dead jobs; each comes to one of them."""

    def __init__(
        self,
        store: Store,
        connection: BrokerConnection,
        endings: Endings,
        announce_end: Callable[[TurnKey], Awaitable[None]],
    ) -> None:
        """`announce_end` tells the viewers of a turn that was finished before, and deletes its log."""
        self._store = store
        self._connection = connection
        self._endings = endings
        self._announce_end = announce_end

    async def consume(self, channel: AbstractChannel) -> None:
        async def on_message(message: DeliveredMessage) -> None:
            await self._handle(message)
            with suppress(*AMQP_ERRORS):  # then it comes again
                await channel.basic_ack(message.delivery_tag or 0)

        await channel.basic_consume(DEAD_JOBS, on_message)

    async def _handle(self, message: DeliveredMessage) -> None:
        try:
            key = read_job(message.body)
        except BadJob as error:
            log.error("dead job not read", action="dead_job.bad", error=error.message)
            return
        has_waited = reason_of(message) not in (DELIVERY_LIMIT_REACHED, None)
        while True:
            try:
                if has_waited:
                    await self._queue_again(key)
                else:
                    await self._bury(key)
            except (StoreDown, BrokerDown):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _queue_again(self, key: TurnKey) -> None:
        await asyncio.sleep(REQUEUE_SECONDS)
        try:
            turn = await self._store.turns.get(key)
        except NotFound:
            return
        if turn.status != "queued":
            return
        log.warning(
            "job thrown out while it waited, queued again",
            action="dead_job.requeued",
            session_id=key.session_id,
            turn=key.turn,
            request_id=turn.context.request_id,
        )
        await publish_job(self._connection, Job(key, turn.context, self._store.id, queue=turn.queue))

    async def _bury(self, key: TurnKey) -> None:
        """A finished turn, and one whose owner lives, is left alone; a deleted one has nobody to tell."""
        try:
            turn = await self._store.turns.get(key)
        except NotFound:
            log.error("dead job", action="dead_job.seen", session_id=key.session_id, turn=key.turn, buried=False)
            return
        error = JobDead(f"the turn's job was delivered {DELIVERY_LIMIT} times and never finished")
        buried = await self._endings.end(turn, Failed(turn.attempt, 0, error.code, error.message))
        log.error("dead job", action="dead_job.seen", session_id=key.session_id, turn=key.turn, buried=buried)
        await self._announce_end(key)


def reason_of(message: DeliveredMessage) -> str | None:
    """Why it was thrown out, the last time; None for a message that nobody threw out."""
    deaths = (message.header.properties.headers or {}).get("x-death")
    latest = deaths[0] if isinstance(deaths, list) and deaths else None
    reason = latest.get("reason") if isinstance(latest, dict) else None
    return reason if isinstance(reason, str) else None
