"""The side of the event bus that tells: a subscriber of this process's turns."""

import structlog

from core.broker.connection import BrokerConnection
from core.broker.topology import EVENTS
from core.bus.messages import BusMessage, encode_message, routing_key
from core.model.errors import BrokerDown
from core.turns.subscribers import TurnEvent

log = structlog.get_logger()


class BusPublisher:
    def __init__(self, connection: BrokerConnection, process_id: str) -> None:
        self._connection = connection
        self._process_id = process_id

    def on_turn(self, event: TurnEvent) -> None:
        """Without a broker nobody is told; whoever listens asks the store what it has missed once it is back."""
        message = BusMessage.of(event, self._process_id)
        try:
            channel = self._connection.message_channel()
        except BrokerDown:
            log.debug("turn not announced", action="bus.not_told", moment=event.moment)
            return
        channel.publish(encode_message(message), EVENTS, routing_key(message.moment, message.goal_id))
