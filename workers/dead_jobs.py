"""Dead jobs: what the delivery limit of the job queue threw out. A turn that is really lost gets its terminal error."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage

from core.broker.connection import AMQP_ERRORS
from core.broker.jobs import BadJob, read_job
from core.broker.topology import DEAD_JOBS, DELIVERY_LIMIT
from core.model.errors import BrokerDown, JobDead, StoreDown
from core.model.events import Failed
from core.model.keys import TurnKey
from core.store.store import Store

log = structlog.get_logger()

RETRY_SECONDS = 2.0


class DeadJobs:
    """Every worker consumes the dead jobs; each comes to one of them."""

    def __init__(self, store: Store, announce_end: Callable[[TurnKey], Awaitable[None]]) -> None:
        """`announce_end` tells the viewers of a finished turn, and deletes its log."""
        self._store = store
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
        while True:
            try:
                await self._bury(key)
            except (StoreDown, BrokerDown):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _bury(self, key: TurnKey) -> None:
        """A finished turn, and one whose owner lives, is left alone; a deleted one has nobody to tell."""
        error = JobDead(f"the turn's job was delivered {DELIVERY_LIMIT} times and never finished")
        buried = await self._store.orphans.finish_orphan(key, Failed(0, 0, error.code, error.message))
        log.error("dead job", action="dead_job.seen", session_id=key.session_id, turn=key.turn, buried=buried)
        await self._announce_end(key)
