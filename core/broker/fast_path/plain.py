"""The slow path: messages by aiormq's own methods, where the fast path cannot be had."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from core.broker.fast_path.base import TRANSIENT, OnMessage, PublishRefused

FLAG_BYTES = 2
"""In front of marshalled properties: which of them there are (AMQP 0-9-1, 4.2.6.1)."""


class PlainChannel:
    """See MessageChannel. aiormq makes three frame objects, six queue entries and a task of every message."""

    def __init__(self, channel: AbstractChannel, on_message: OnMessage | None) -> None:
        self._channel = channel
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[None], float] = {}
        """Since when each confirm is awaited, oldest first."""

    def publish(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        *,
        properties: bytes = TRANSIENT,
        mandatory: bool = False,
    ) -> asyncio.Future[None]:
        unmarshalled = Basic.Properties()
        unmarshalled.unmarshal(int.from_bytes(properties[:FLAG_BYTES]), properties[FLAG_BYTES:])
        publishing = self._channel.basic_publish(
            body, exchange=exchange, routing_key=routing_key, properties=unmarshalled, mandatory=mandatory
        )
        confirmed = asyncio.ensure_future(_confirm(publishing))
        self._waiting[confirmed] = self._loop.time()
        confirmed.add_done_callback(self._forget)
        return confirmed

    async def consume(self, queue: str, *, no_ack: bool) -> None:
        await self._channel.basic_consume(queue, self._hear, no_ack=no_ack)

    def waiting_seconds(self) -> float:
        oldest = next(iter(self._waiting.values()), None)
        return 0.0 if oldest is None else self._loop.time() - oldest

    def close(self) -> None:
        """aiormq fails what waits."""

    async def _hear(self, message: DeliveredMessage) -> None:
        if self._on_message is not None:
            self._on_message(message.routing_key or "", message.body)

    def _forget(self, confirmed: asyncio.Future[None]) -> None:
        del self._waiting[confirmed]
        if not confirmed.cancelled():
            confirmed.exception()  # whoever published may wait for it no more


async def _confirm(publishing: Coroutine[Any, Any, object]) -> None:
    try:
        await publishing
    except DeliveryError as error:
        raise PublishRefused("the broker could not take the message, or had no queue for it") from error
    except CONNECTION_EXCEPTIONS as error:
        raise ConnectionError("the channel was lost") from error
