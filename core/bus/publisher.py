"""The side of the event bus that tells: a subscriber of this process's turns, and who is told of narrators."""

import asyncio

import structlog

from core.broker.connection import BrokerConnection
from core.broker.topology import EVENTS
from core.bus.messages import BusMessage, encode_message
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

    def on_narrator(self, session_id: str) -> None:
        """The conversation's narrator has something new in the store."""
        self._publish([BusMessage.of_narrator(session_id, self._process_id)])

    def publish(self) -> None:
        """All that was told of turns."""
        events, self._unpublished = self._unpublished, []
        self._publish([BusMessage.of(event, self._process_id) for event in events])

    def _publish(self, messages: list[BusMessage]) -> None:
        """Without a broker nobody is told; whoever listens asks the store what it has missed once it is back."""
        if not messages:
            return
        try:
            channel = self._connection.message_channel()
        except BrokerDown:
            log.debug("not announced", action="bus.not_told", moments=len(messages))
            return
        for message in messages:
            channel.publish(encode_message(message), EVENTS, message.routing_key)
