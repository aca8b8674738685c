"""The side of the event bus that hears: one bounded queue of this process, there as long as somebody listens."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiormq.abc import AbstractChannel

from core.broker.connection import BrokerConnection
from core.broker.topology import EVENTS, declare_events
from core.bus.messages import BadBusMessage, BusMessage, decode_message

log = structlog.get_logger()

MAX_WAITING = 10_000
"""Messages that may wait in the queue; then the oldest go, and whoever listens asks the store."""
ALL = ("#",)


class BusListener:
    """`start` and `stop` it. After each new connection `on_renewed` is called: messages may have been missed."""

    def __init__(
        self,
        url: str,
        on_message: Callable[[BusMessage], None],
        on_renewed: Callable[[], None],
        routing_keys: Sequence[str] = ALL,
    ) -> None:
        """`routing_keys`: patterns of a topic exchange over those of `core.bus.messages`."""
        self._connection = BrokerConnection(url, "hopstream events", self._set_up)
        self._on_message = on_message
        self._on_renewed = on_renewed
        self._routing_keys = routing_keys

    @property
    def up(self) -> bool:
        return self._connection.up

    def start(self) -> None:
        self._connection.start()

    async def stop(self) -> None:
        await self._connection.stop()

    async def _set_up(self, channel: AbstractChannel) -> None:
        await declare_events(channel)
        limits: dict[str, Any] = {"x-max-length": MAX_WAITING, "x-overflow": "drop-head"}
        declared = await channel.queue_declare(exclusive=True, auto_delete=True, arguments=limits)
        queue = declared.queue or ""
        for routing_key in self._routing_keys:
            await channel.queue_bind(queue, EVENTS, routing_key)
        messages = self._connection.message_channel_on(channel, self._hear)
        await messages.consume(queue, no_ack=True)
        self._on_renewed()

    def _hear(self, _: str, body: bytes) -> None:
        try:
            message = decode_message(body)
        except BadBusMessage as error:
            log.error("message not read", action="bus.bad_message", error=error.message)
            return
        self._on_message(message)
