"""A check that the inbox receives: a message that is sent to it must arrive, or its queue is made anew.

An open connection proves nothing: RabbitMQ can lose a consumer while its connection stays open.
"""

import asyncio
from time import monotonic

import structlog

from api.streams.inbox import Inbox
from core.broker.connection import AMQP_ERRORS, BrokerConnection
from core.model.errors import BrokerDown

log = structlog.get_logger()

CHECK_SECONDS = 2.0
ARRIVAL_SECONDS = 5.0
"""A message that takes longer has not arrived: viewers see a pause, rather than a stream that never goes on."""
DEAD_SECONDS = 30.0
"""After so long without success /health says that the process is stuck, so that a supervisor replaces it."""


class InboxCheck:
    def __init__(self, inbox: Inbox, sender: BrokerConnection, arrival_seconds: float = ARRIVAL_SECONDS) -> None:
        """`sender` is another connection than the inbox's: in a memory or disk alarm RabbitMQ blocks all connections
        that publish."""
        self._arrival_seconds = arrival_seconds
        self._inbox = inbox
        self._sender = sender
        self._proven_at = monotonic()

    @property
    def dead(self) -> bool:
        """Whether for too long no message that was sent has arrived."""
        return monotonic() - self._proven_at >= DEAD_SECONDS

    async def check(self) -> None:
        if not await self._is_sent() or await self._comes_back():
            self._proven_at = monotonic()  # it was received, or could not be sent, which says nothing of the inbox
        else:
            log.error("the inbox receives nothing; it is made anew", action="inbox.replaced")
            self._inbox.replace()

    async def _is_sent(self) -> bool:
        if not self._inbox.up:
            return False
        self._inbox.heard.clear()
        try:
            channel = self._sender.channel()
            await channel.basic_publish(b"", routing_key=self._inbox.queue, timeout=self._arrival_seconds)
        except (BrokerDown, *AMQP_ERRORS):
            return False
        return self._inbox.up

    async def _comes_back(self) -> bool:
        try:
            async with asyncio.timeout(self._arrival_seconds):
                return await self._inbox.heard.wait()
        except TimeoutError:
            return not self._inbox.up
