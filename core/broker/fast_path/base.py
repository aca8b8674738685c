"""What carries the messages of the token path, whichever way they go."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from pamqp.commands import Basic

OnMessage = Callable[[str, bytes], None]
"""Told the routing key and the body of each message."""

TRANSIENT = Basic.Properties(delivery_mode=1).marshal()


class PublishRefused(ConnectionError):
    """The broker refused a message, or had no queue for one that has to reach one."""


class MessageChannel(Protocol):
    """One AMQP channel for many messages. Publish and consume by it alone; declare and bind on the channel itself."""

    def publish(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        *,
        properties: bytes = TRANSIENT,
        mandatory: bool = False,
    ) -> asyncio.Future[None]:
        """Send a message with these properties, as pamqp marshals them. The future is done once the broker has
        confirmed it.

        It fails with PublishRefused, and with ConnectionError where the channel is lost.
        """
        ...

    async def consume(self, queue: str, *, no_ack: bool) -> None:
        """Its messages come to the channel's OnMessage."""
        ...

    def waiting_seconds(self) -> float:
        """How long the oldest publish has been waiting for its confirm."""
        ...

    def close(self) -> None:
        """To be called when the channel is closed."""
        ...
