"""The outbox: puts into one bundle what the turns of this worker publish at the same moment."""

import asyncio

from core.broker.bundle import BUNDLE, encode_bundle
from core.broker.link import Link
from core.broker.topology import SESSIONS
from core.errors import BrokerDown


class Outbox:
    """One per worker process."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._events: dict[str, bytes] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, routing_key: str, event: bytes) -> asyncio.Future[None]:
        """It leaves with all that is added in this turn of the event loop. The future is done once the broker has
        confirmed the bundle, and fails where it does not. One event of a turn at a time: its next one waits for that.
        """
        loop = asyncio.get_running_loop()
        if not self._events:
            loop.call_soon(self._send)
        self._events[routing_key] = event
        confirmed: asyncio.Future[None] = loop.create_future()
        self._waiting.append(confirmed)
        return confirmed

    def _send(self) -> None:
        events, self._events = self._events, {}
        waiting, self._waiting = self._waiting, []
        try:
            sent = self._link.lane().publish(encode_bundle(events), SESSIONS, BUNDLE)
        except BrokerDown as error:
            _settle(waiting, error)
        else:
            sent.add_done_callback(lambda _: _settle(waiting, sent.exception()))


def _settle(waiting: list[asyncio.Future[None]], error: BaseException | None) -> None:
    for confirmed in waiting:
        if confirmed.done():
            continue
        if error is None:
            confirmed.set_result(None)
        else:
            confirmed.set_exception(error)
            confirmed.exception()  # whoever published may wait for it no more
