"""The outbox: sends the events of this worker's turns; in a bundle, what they say at the same moment under load."""

import asyncio
from collections.abc import Callable

from core.broker.bundle import BUNDLE, encode_bundle
from core.broker.connection import AMQP_ERRORS, BrokerConnection
from core.broker.topology import SESSIONS
from core.model.errors import BrokerDown

OnSent = Callable[[BaseException | None], None]
"""Told that the broker has an event (None), or why nobody knows whether it has."""


class Outbox:
    """One per worker process."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection
        self._events: dict[str, bytes] = {}
        self._waiting: list[OnSent] = []

    def send(self, routing_key: str, event: bytes, on_sent: OnSent) -> None:
        """As a message of its own, at once."""
        self._publish(event, routing_key, [on_sent])

    def bundle(self, routing_key: str, event: bytes, on_sent: OnSent) -> None:
        """With all that is bundled in this turn of the event loop; one event of a turn at a time."""
        if not self._events:
            asyncio.get_running_loop().call_soon(self._send_bundle)
        self._events[routing_key] = event
        self._waiting.append(on_sent)

    def _send_bundle(self) -> None:
        body, waiting = encode_bundle(self._events), self._waiting
        self._events, self._waiting = {}, []
        self._publish(body, BUNDLE, waiting)

    def _publish(self, body: bytes, routing_key: str, waiting: list[OnSent]) -> None:
        def tell(confirmed: asyncio.Future[None]) -> None:
            error = asyncio.CancelledError() if confirmed.cancelled() else confirmed.exception()
            for on_sent in waiting:
                on_sent(error)

        try:
            self._connection.fast_channel().publish(body, SESSIONS, routing_key).add_done_callback(tell)
        except (BrokerDown, *AMQP_ERRORS) as error:
            for on_sent in waiting:
                on_sent(error)
