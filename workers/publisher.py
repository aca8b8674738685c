"""The publisher: watches a turn's feed and publishes what grew to its viewers, one confirmed batch at a time.

While a batch is on its way the next one gathers: the first token goes at once, and a busy broker makes batches longer,
not queues. Under load a batch leaves in a bundle with those of other turns.

It works in callbacks, of the feed and of the broker's confirms, for there is one for each batch; only where something
is in its way it waits in a task.
"""

import asyncio
from typing import cast

import structlog

from core.broker.connection import BrokerConnection
from core.model.events import Batch, End, Event, Start, encode
from core.model.feed import Feed
from core.turns.keeper import Lease
from core.turns.ticks import TickScheduler
from workers.outbox import Outbox

log = structlog.get_logger()

RETRY_SECONDS = 0.1
EARLY_LENGTH = 64
"""So long a tape is told whole each time, which costs no more: whoever subscribes meanwhile has missed nothing."""


class Publisher:
    def __init__(
        self, feed: Feed, connection: BrokerConnection, outbox: Outbox, lease: Lease, ticks: TickScheduler
    ) -> None:
        self._feed = feed
        self._connection = connection
        self._outbox = outbox
        self._lease = lease
        self._ticks = ticks
        self._routing_key = str(feed.key)
        self._attempt = 0
        self._position = 0
        self._on_its_way: Event | None = None
        """What was sent last, until the broker has it."""
        self._is_lost = False
        """Nobody knows whether that arrived."""
        self._is_hindered = False
        """By a lost broker or a lease that has run out: the task goes on."""
        self._is_over = False
        self._attention = asyncio.Event()
        """Set when the task has to look."""

    async def run(self) -> None:
        """Publish until the feed's end is out. A lost broker is waited for; then a snapshot fills what was missed."""
        try:
            with self._feed.on_change(self._publish_growth):
                self._publish_growth()
                while not self._is_over:
                    await self._attention.wait()
                    self._attention.clear()
                    if self._is_hindered:
                        await self._recover()
        finally:
            self._is_over = True

    async def _recover(self) -> None:
        if self._is_lost:
            await asyncio.sleep(RETRY_SECONDS)
        await self._connection.wait_up()
        await self._lease.wait_valid()
        self._is_hindered = False
        if self._is_lost:
            self._is_lost = False
            self._attempt, self._position = self._feed.attempt, len(self._feed.tape)
            self._send(self._feed.snapshot())
        else:
            self._publish_growth()

    def _publish_growth(self) -> None:
        """What is new, unless something is on its way, or in it."""
        if self._on_its_way is not None or self._is_hindered or self._is_over or not self._is_behind():
            return
        if self._lease.valid:
            self._send(self._next_event())
        else:
            self._hinder()

    def _is_behind(self) -> bool:
        feed = self._feed
        return feed.attempt != self._attempt or len(feed.tape) > self._position or feed.end is not None

    def _next_event(self) -> Event:
        """What is new. Only for one that is behind."""
        feed = self._feed
        if feed.attempt != self._attempt:
            self._attempt, self._position = feed.attempt, 0
            return Start(feed.attempt, feed.model, feed.reason)
        position, self._position = self._position, len(feed.tape)
        if self._position == position:
            return cast(End, feed.end)
        if self._position <= EARLY_LENGTH:
            return feed.snapshot()
        return Batch(feed.attempt, position, feed.tape.slice(position))

    def _send(self, event: Event) -> None:
        self._on_its_way = event
        send = self._outbox.bundle if self._ticks.is_busy and isinstance(event, Batch) else self._outbox.send
        send(self._routing_key, encode(event), self._on_sent)

    def _on_sent(self, error: BaseException | None) -> None:
        event, self._on_its_way = self._on_its_way, None
        if error is not None:
            log.warning(
                "publish failed",
                action="publish.failed",
                session_id=self._feed.key.session_id,
                turn=self._feed.key.turn,
                error=type(error).__name__,
            )
            self._is_lost = True  # the model may be silent for long: the task begins again
            self._hinder()
        elif event is self._feed.end:
            self._is_over = True
            self._attention.set()
        else:
            self._publish_growth()

    def _hinder(self) -> None:
        self._is_hindered = True
        self._attention.set()
