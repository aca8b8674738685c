"""The side of the event bus that tells: a subscriber of this process's turns."""

import asyncio

import structlog

from core.broker.connection import BrokerConnection
from core.broker.topology import EVENTS
from core.bus.messages import BusMessage, encode_message, routing_key
from core.model.errors import BrokerDown
from core.turns.subscribers import TurnEvent

log = structlog.get_logger()


PUBLISH_AFTER_SECONDS = 0.05
"""Several moments of a turn come before its first token, which must not wait until they are published."""


class BusPublisher:
    def __init__(self, connection: BrokerConnection, process_id: str) -> None:
        self._connection = connection
        self._process_id = process_id
        self._unpublished: list[TurnEvent] = []

    def on_turn(self, event: TurnEvent) -> None:
        if not self._unpublished:
            asyncio.get_running_loop().call_later(PUBLISH_AFTER_SECONDS, self.publish)
        self._unpublished.append(event)

    def publish(self) -> None:
        """All that was told. Without a broker nobody is; whoever listens asks the store what it has missed once it is
        back."""
        events, self._unpublished = self._unpublished, []
        if not events:
            return
        try:
            channel = self._connection.message_channel()
        except BrokerDown:
            log.debug("turns not announced", action="bus.not_told", moments=len(events))
            return
        for event in events:
            message = BusMessage.of(event, self._process_id)
            channel.publish(encode_message(message), EVENTS, routing_key(message.moment, message.goal_id))
