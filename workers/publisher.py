"""The publisher: watches a turn's feed and publishes what grew to its viewers, one confirmed batch at a time.

While a batch is on its way the next one gathers: the first token goes at once, and a busy broker makes batches longer,
not queues. Under load a batch leaves in a bundle with those of other turns.
"""

import asyncio
from typing import cast

import structlog

from core.broker.link import AMQP_ERRORS, Link
from core.broker.topology import SESSIONS
from core.errors import BrokerDown
from core.events import Batch, End, Event, Start, encode
from core.feed import Feed
from core.keeper import Lease
from core.pace import Pace
from workers.outbox import Outbox

log = structlog.get_logger()

RETRY_SECONDS = 0.1
EARLY_LENGTH = 64
"""So long a tape is told whole each time, which costs no more: whoever subscribes meanwhile has missed nothing."""


class Publisher:
    def __init__(self, feed: Feed, link: Link, outbox: Outbox, lease: Lease, pace: Pace) -> None:
        self._feed = feed
        self._link = link
        self._outbox = outbox
        self._lease = lease
        self._pace = pace
        self._routing_key = str(feed.key)
        self._attempt = 0
        self._position = 0
        self._on_its_way: asyncio.Future[None] | None = None
        """Done once the broker has what was sent last."""
        self._is_lost = False
        """Nobody knows whether that arrived."""

    async def run(self) -> None:
        """Publish until the feed's end is out. A lost broker is waited for; then a snapshot fills what was missed."""
        with self._feed.watch() as self._changed:
            while True:
                self._changed.clear()
                try:
                    if await self._publish_growth():
                        return
                except (BrokerDown, *AMQP_ERRORS) as error:
                    log.warning(
                        "publish failed",
                        action="publish.failed",
                        session_id=self._feed.key.session_id,
                        turn=self._feed.key.turn,
                        error=type(error).__name__,
                    )
                    self._is_lost = True
                    await asyncio.sleep(RETRY_SECONDS)
                    await self._link.wait_up()
                else:
                    await self._changed.wait()

    async def _publish_growth(self) -> bool:
        """Publish until there is nothing new; True once the end is out. The last batch may still be on its way."""
        feed = self._feed
        if self._is_lost:
            await self._make_up()
        while self._is_behind():
            await self._settle()
            await self._lease.wait_valid()
            event = self._next_event()
            self._publish(event)
            if event is feed.end:
                await self._settle()
                return True
        return False

    async def _make_up(self) -> None:
        """A snapshot tells everybody everything."""
        feed = self._feed
        if self._attempt:
            await self._lease.wait_valid()
            self._attempt, self._position = feed.attempt, len(feed.tape)
            self._publish(feed.snapshot())
            await self._settle()
        self._is_lost = False

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

    def _publish(self, event: Event) -> None:
        if self._pace.is_busy and isinstance(event, Batch):
            sent = self._outbox.add(self._routing_key, encode(event))
        else:
            sent = self._link.lane().publish(encode(event), SESSIONS, self._routing_key)
        sent.add_done_callback(self._notice_loss)
        self._on_its_way = sent

    def _notice_loss(self, sent: asyncio.Future[None]) -> None:
        """The model may be silent for long: somebody has to begin again."""
        if sent.cancelled() or sent.exception() is not None:
            self._is_lost = True
            self._changed.set()

    async def _settle(self) -> None:
        """What was sent has arrived. Raises what kept it from that."""
        sent, self._on_its_way = self._on_its_way, None
        if sent is not None:
            await sent
