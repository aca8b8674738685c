"""A check that the inbox hears: what is sent to it must come back, or it is replaced.

That its connection is up proves nothing: a consumer can be gone while its connection lives.
"""

import asyncio
from time import monotonic

import structlog

from api.streams.inbox import Inbox
from core.broker.connection import AMQP_ERRORS, BrokerConnection
from core.model.errors import BrokerDown

log = structlog.get_logger()

CHECK_SECONDS = 2.0
DEAF_SECONDS = 5.0
"""An inbox that does not hear for so long is replaced: a viewer sees a pause, not a stream that never moves again."""
DEAD_SECONDS = 30.0
"""Replaced again and again without success, it takes the process with it, by way of /health."""


class InboxCheck:
    def __init__(self, inbox: Inbox, sender: BrokerConnection, deaf_seconds: float = DEAF_SECONDS) -> None:
        """`sender` is another connection: in an alarm the broker stops reading from those that publish."""
        self._deaf_seconds = deaf_seconds
        self._inbox = inbox
        self._sender = sender
        self._proven_at = monotonic()

    @property
    def dead(self) -> bool:
        """Nothing that was surely sent has come back for too long."""
        return monotonic() - self._proven_at >= DEAD_SECONDS

    async def check(self) -> None:
        if not await self._is_sent() or await self._comes_back():
            self._proven_at = monotonic()  # or nothing is known against it
        else:
            log.error("inbox is deaf; replaced", action="inbox.deaf")
            self._inbox.replace()

    async def _is_sent(self) -> bool:
        if not self._inbox.up:
            return False
        self._inbox.heard.clear()
        try:
            channel = self._sender.channel()
            await channel.basic_publish(b"", routing_key=self._inbox.queue, timeout=self._deaf_seconds)
        except (BrokerDown, *AMQP_ERRORS):
            return False
        return self._inbox.up

    async def _comes_back(self) -> bool:
        try:
            async with asyncio.timeout(self._deaf_seconds):
                return await self._inbox.heard.wait()
        except TimeoutError:
            return not self._inbox.up
