"""The publisher: watches a turn's feed and publishes what grew, one confirmed batch at a time.

While a batch is on its way the next one gathers: the first token goes at once, and a busy broker makes batches longer,
not queues.
"""

import asyncio
from contextlib import suppress
from time import monotonic

import structlog

from core.broker.link import AMQP_ERRORS, Link
from core.broker.topology import SESSIONS, SNAPSHOT_EVERY, declare_log, log_name, renew_log
from core.errors import BrokerDown
from core.events import Batch, Event, Snapshot, Start, encode
from core.feed import Feed
from core.keeper import Lease

log = structlog.get_logger()

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
        self._attempt = 0
        self._position = 0
        self._since_snapshot = 0
        self._snapshot_at = monotonic()

    async def run(self) -> None:
        """Publish until the feed's end is out. A lost broker is waited for; then a snapshot fills what was missed."""
        with self._feed.watch() as changed:
            has_log = False
            while True:
                try:
                    if not has_log:
                        await self._open_log()
                        has_log = True
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
                    has_log = False
                    await asyncio.sleep(RETRY_SECONDS)
                    await self._link.wait_up()
                    continue
                await changed.wait()
                changed.clear()

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
        await self._link.call(lambda channel: open_log(channel, feed.key), about=self._routing_key)
        if self._attempt:
            await self._lease.wait_valid()
            snapshot = self._snapshot()
            self._attempt, self._position = feed.attempt, len(feed.tape)
            await self._send(snapshot)

    async def _publish_growth(self) -> bool:
        """Publish until there is nothing new; True once the end is out."""
        feed = self._feed
        while True:
            await self._lease.wait_valid()
            if feed.attempt != self._attempt:
                self._attempt, self._position = feed.attempt, 0
                await self._publish(Start(feed.attempt, feed.model, feed.reason))
            elif parts := feed.tape.slice(self._position):
                event = Batch(feed.attempt, self._position, parts)
                self._position = len(feed.tape)
                await self._publish(event)
            elif feed.end is not None:
                await self._publish(feed.end)
                return True
            else:
                return False

    async def _publish(self, event: Event) -> None:
        self._since_snapshot += 1
        confirmed = self._send(event)
        if self._since_snapshot >= SNAPSHOT_EVERY or monotonic() - self._snapshot_at >= SNAPSHOT_SECONDS:
            # The snapshot follows its batch at once. It has to reach a queue, or the log is gone.
            body, log_queue = encode(self._snapshot()), log_name(self._feed.key)
            await self._link.lane().publish(body, "", log_queue, mandatory=True)
        await confirmed

    def _snapshot(self) -> Snapshot:
        feed = self._feed
        self._since_snapshot, self._snapshot_at = 0, monotonic()
        return Snapshot(feed.attempt, feed.model, feed.tape.slice(), feed.reason)

    def _send(self, event: Event) -> asyncio.Future[None]:
        return self._link.lane().publish(encode(event), SESSIONS, self._routing_key)
