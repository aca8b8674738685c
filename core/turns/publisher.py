"""Publishing: what grew on a turn's feed goes to its viewers, one confirmed batch at a time.

While a batch is on its way the next one gathers: the first token goes at once, and a busy broker makes batches longer,
not queues. Under load the batches that all turns send at one moment leave as one message, a bundle.

It works in callbacks, of the feed and of the broker's confirms, for there is one for each batch; a task waits where the
broker is away, or the right to publish has run out.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import cast

import structlog

from core.broker.bundle import BUNDLE, encode_bundle
from core.broker.connection import AMQP_ERRORS, BrokerConnection
from core.broker.topology import SESSIONS
from core.model.errors import BrokerDown
from core.model.events import ENCODER, Batch, End, Event, Snapshot, Start
from core.model.feed import Feed
from core.turns.lease import Lease
from core.turns.ticks import TickScheduler

log = structlog.get_logger()

RETRY_SECONDS = 0.1
EARLY_LENGTH = 64
"""A tape of up to so many characters is sent whole each time, which costs no more than a batch: a viewer that
subscribes in the first moments of an answer has missed nothing."""

OnSent = Callable[[BaseException | None], None]
"""Told that the broker has an event (None), or why nobody knows whether it has."""


class State(Enum):
    """Of a publisher."""

    READY = "what grows is sent at once"
    SENDING = "an event is on its way; what grows gathers"
    PAUSED = "the lease has run out; nothing is sent until it is renewed"
    UNSURE = "nobody knows whether the last event arrived; a snapshot will make up for it"
    OVER = "the end is out"


class Publisher:
    """One turn's."""

    def __init__(
        self,
        feed: Feed,
        connection: BrokerConnection,
        outbox: "Outbox",
        lease: Lease,
        ticks: TickScheduler,
        logged_to: Callable[[], int],
    ) -> None:
        """`logged_to`: up to which position the session log has the tape. What another attempt could go on with is not
        published before the log has it, or viewers would have more than that attempt knows of."""
        self._feed = feed
        self._logged_to = logged_to
        self._connection = connection
        self._outbox = outbox
        self._lease = lease
        self._ticks = ticks
        self._routing_key = str(feed.key)
        self._attempt = 0
        self._model = ""
        self._position = 0
        self._state = State.READY
        self._sent: Event | None = None
        """What was sent last."""
        self._halted = asyncio.Event()
        """Set when the callbacks can do no more: the task goes on."""

    async def run(self) -> None:
        """Publish until the feed's end is out. A lost broker is waited for; then a snapshot fills what was missed."""
        try:
            with self._feed.on_change(self.publish_growth):
                self.publish_growth()
                while True:
                    await self._halted.wait()
                    self._halted.clear()
                    if self._state is State.OVER:
                        return
                    await self._resume()
        finally:
            self._state = State.OVER

    async def _resume(self) -> None:
        if self._state is State.UNSURE:
            await asyncio.sleep(RETRY_SECONDS)
        await self._connection.wait_up()
        await self._lease.wait_valid()
        is_unsure, self._state = self._state is State.UNSURE, State.READY
        if is_unsure and self._may_begin():
            self._attempt, self._model = self._feed.attempt, self._feed.model
            self._send(self._snapshot())
        else:
            if is_unsure:  # nobody knows whether its start was heard: it is sent again
                self._attempt = 0
            self.publish_growth()

    def publish_growth(self) -> None:
        """Send what is new, unless an event is on its way: then once that is confirmed."""
        if self._state is not State.READY or not self._is_behind():
            return
        if self._lease.valid:
            event = self._next_event()
            self._send(event)
        else:
            self._halt(State.PAUSED)

    def _is_behind(self) -> bool:
        feed = self._feed
        return self._has_begun_anew() or self._length() > self._position or feed.end is not None

    def _length(self) -> int:
        """Of what may be published."""
        feed = self._feed
        length = len(feed.tape)
        return min(length, self._logged_to()) if feed.may_go_on and feed.end is None else length

    def _has_begun_anew(self) -> bool:
        """An attempt, or with another model."""
        return (self._feed.attempt, self._feed.model) != (self._attempt, self._model) and self._may_begin()

    def _may_begin(self) -> bool:
        """An attempt that goes on begins once the log has it."""
        feed = self._feed
        goes_on = feed.may_go_on and feed.origin != feed.attempt and feed.end is None
        return not goes_on or self._logged_to() > 0

    def _next_event(self) -> Event:
        """What is new. Only for one that is behind."""
        feed = self._feed
        if self._has_begun_anew():
            is_another, self._attempt, self._model = feed.attempt != self._attempt, feed.attempt, feed.model
            if is_another and feed.origin != feed.attempt:  # it goes on
                return self._snapshot()
            self._position = 0 if is_another else self._position
            return Start(feed.attempt, feed.model, feed.reason, feed.provider)
        length = self._length()
        if self._position == length:
            return cast(End, feed.end)
        if length <= EARLY_LENGTH:
            return self._snapshot()
        position, self._position = self._position, length
        return Batch(feed.attempt, position, feed.tape.pieces(position, length))

    def _snapshot(self) -> Snapshot:
        self._position = self._length()
        return self._feed.snapshot(self._position)

    def _send(self, event: Event) -> None:
        self._sent, self._state = event, State.SENDING
        is_bundled = self._ticks.is_busy and isinstance(event, Batch)
        send = self._outbox.bundle if is_bundled else self._outbox.send
        send(self._routing_key, ENCODER.encode(event), self._on_sent)

    def _on_sent(self, error: BaseException | None) -> None:
        if self._state is State.OVER:  # it was stopped meanwhile
            return
        if error is not None:
            log.warning(
                "publish failed",
                action="publish.failed",
                session_id=self._feed.key.session_id,
                turn=self._feed.key.turn,
                error=type(error).__name__,
            )
            self._halt(State.UNSURE)  # the task sends a snapshot, for the model may send nothing more for long
        elif self._sent is self._feed.end:
            self._halt(State.OVER)
        else:
            self._state = State.READY
            self.publish_growth()

    def _halt(self, state: State) -> None:
        self._state = state
        self._halted.set()


class Outbox:
    """Sends the events of a process's turns; one for all of them."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection
        self._events: dict[str, bytes] = {}
        self._waiting: list[OnSent] = []

    def send(self, routing_key: str, event: bytes, on_sent: OnSent) -> None:
        """As a message of its own, at once."""
        self._publish(event, routing_key, [on_sent])

    def bundle(self, routing_key: str, event: bytes, on_sent: OnSent) -> None:
        """With all that is bundled in this iteration of the event loop; one event of a turn at a time."""
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
            self._connection.message_channel().publish(body, SESSIONS, routing_key).add_done_callback(tell)
        except (BrokerDown, *AMQP_ERRORS) as error:
            for on_sent in waiting:
                on_sent(error)
