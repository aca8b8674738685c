"""The publisher: watches a turn's feed and publishes what grew, one confirmed batch at a time.

While a batch is on its way the next one gathers: the first token goes at once, and a busy broker makes batches longer,
not queues.
"""

import asyncio
from contextlib import suppress
from time import monotonic
from typing import cast

import structlog

from core.broker.link import AMQP_ERRORS, Link
from core.broker.topology import SESSIONS, SNAPSHOT_EVERY, declare_log, log_name, renew_log
from core.errors import BrokerDown
from core.events import Batch, End, Event, Snapshot, Start, encode
from core.feed import Feed
from core.keeper import Lease

log = structlog.get_logger()

HEAD_START_SECONDS = 0.01
"""The model is asked first: to make the log keeps this process and RabbitMQ busy for some milliseconds."""
RETRY_SECONDS = 0.1
DELETE_SECONDS = 30.0
"""How long the end of a turn waits for a broker that is away: longer than most outages."""
SNAPSHOT_SECONDS = 5.0
"""A slow answer gets its snapshots by time, so that a log somebody deleted is soon made anew."""


class Publisher:
    def __init__(self, feed: Feed, link: Link, lease: Lease, attempt: int) -> None:
        """`attempt`: the turn's, with which it begins; the first one finds no log."""
        self._feed = feed
        self._link = link
        self._lease = lease
        self._routing_key = str(feed.key)
        self._is_log_new = attempt == 1
        self._has_log = False
        self._attempt = 0
        self._position = 0
        self._in_flight: list[asyncio.Future[None]] = []
        """The last batch, and the snapshot that followed it, until it is known that the broker has them."""
        self._since_snapshot = 0
        self._snapshot_at = monotonic()

    async def run(self) -> None:
        """Publish until the feed's end is out. A lost broker is waited for; then a snapshot fills what was missed."""
        with self._feed.watch() as self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEAD_START_SECONDS):
                    await self._changed.wait()
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
                    self._has_log = False
                    await asyncio.sleep(RETRY_SECONDS)
                    await self._link.wait_up()
                else:
                    await self._changed.wait()

    async def delete_log(self) -> None:
        """The turn is committed: the store has it now. A broker that is away for longer is left to expire the log."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DELETE_SECONDS):
                while not await self._is_log_deleted():
                    await asyncio.sleep(RETRY_SECONDS)
                    await self._link.wait_up()

    async def _is_log_deleted(self) -> bool:
        name = log_name(self._feed.key)
        try:
            await self._link.call(lambda channel: channel.queue_delete(name), about=self._routing_key)
        except BrokerDown:
            return False
        return True

    async def _open_log(self) -> None:
        """After a lost connection nobody knows what arrived, so a snapshot tells everybody everything."""
        feed = self._feed
        open_log = declare_log if self._is_log_new else renew_log
        self._is_log_new = False
        self._in_flight.clear()
        await self._link.call(lambda channel: open_log(channel, feed.key), about=self._routing_key)
        if self._attempt:
            await self._lease.wait_valid()
            snapshot = self._snapshot()
            self._attempt, self._position = feed.attempt, len(feed.tape)
            self._send(snapshot)
            await self._settle()
        self._has_log = True

    async def _publish_growth(self) -> bool:
        """Publish until there is nothing new; True once the end is out. The last batch may still be on its way."""
        feed = self._feed
        if not self._has_log:
            await self._open_log()
        while self._is_behind():
            await self._settle()
            await self._lease.wait_valid()
            event = self._next_event()
            self._publish(event)
            if event is feed.end:
                await self._settle()
                return True
        return False

    def _is_behind(self) -> bool:
        feed = self._feed
        return feed.attempt != self._attempt or len(feed.tape) > self._position or feed.end is not None

    def _next_event(self) -> Event:
        """What is new. Only for one that is behind."""
        feed = self._feed
        if feed.attempt != self._attempt:
            self._attempt, self._position = feed.attempt, 0
            return Start(feed.attempt, feed.model, feed.reason)
        if parts := feed.tape.slice(self._position):
            event = Batch(feed.attempt, self._position, parts)
            self._position = len(feed.tape)
            return event
        return cast(End, feed.end)

    def _publish(self, event: Event) -> None:
        self._since_snapshot += 1
        self._send(event)
        if self._since_snapshot >= SNAPSHOT_EVERY or monotonic() - self._snapshot_at >= SNAPSHOT_SECONDS:
            # It follows its batch at once, and has to reach a queue, or the log is gone.
            self._send(self._snapshot(), log_queue=log_name(self._feed.key))

    def _snapshot(self) -> Snapshot:
        feed = self._feed
        self._since_snapshot, self._snapshot_at = 0, monotonic()
        return Snapshot(feed.attempt, feed.model, feed.tape.slice(), feed.reason)

    def _send(self, event: Event, log_queue: str | None = None) -> None:
        """To all who are subscribed, or to the log alone."""
        lane, body = self._link.lane(), encode(event)
        if log_queue is None:
            confirmed = lane.publish(body, SESSIONS, self._routing_key)
        else:
            confirmed = lane.publish(body, "", log_queue, mandatory=True)
        confirmed.add_done_callback(self._notice_loss)
        self._in_flight.append(confirmed)

    def _notice_loss(self, confirmed: asyncio.Future[None]) -> None:
        """The model may be silent for long: somebody has to begin again."""
        if confirmed.cancelled() or confirmed.exception() is not None:
            self._has_log = False
            self._changed.set()

    async def _settle(self) -> None:
        """Everything that was sent has arrived. Raises what kept it from that."""
        while self._in_flight:
            await self._in_flight[0]
            self._in_flight.pop(0)
