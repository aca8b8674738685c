"""The log writer: keeps a running turn's session log, from which whoever comes late gets what was said before.

As a rule viewers do not wait for the log, so it is written a few times a second, whatever the number of tokens: a
snapshot, and what has been added since. An answer that is over before the first writing never has a log. Where another
attempt could go on with the answer (`Feed.may_go_on`), viewers get only what is in the log: it is then written again as
soon as the write before is confirmed.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from core.broker.connection import AMQP_ERRORS, BrokerConnection
from core.broker.topology import SNAPSHOT_EVERY, declare_log, log_name, renew_log
from core.model.errors import BrokerDown
from core.model.events import Batch, Snapshot, encode
from core.model.feed import Feed
from core.turns.lease import Lease

log = structlog.get_logger()

EVERY_SECONDS = 0.25
"""A viewer who joins sees at once what is in the log, and what has come since when the log has it, too."""
RETRY_SECONDS = 0.1
DELETE_SECONDS = 30.0
"""How long the end of a turn waits for a broker that is away: longer than most outages."""


class SessionLogWriter:
    def __init__(
        self,
        feed: Feed,
        connection: BrokerConnection,
        lease: Lease,
        attempt: int,
        *,
        is_known: bool = False,
    ) -> None:
        """`attempt`: the turn's, with which it begins; the first one finds no log. `is_known`: the log of the attempt
        before was read, and is gone on with."""
        self.on_written: Callable[[], None] = lambda: None
        """Called after each writing."""
        self._feed = feed
        self._connection = connection
        self._lease = lease
        self._name = log_name(feed.key)
        self._exists = attempt > 1
        """There may be a queue of that name."""
        self._is_open = is_known
        """The queue is ours, and we know what is in it."""
        self._opening: asyncio.Task[None] | None = None
        self._attempt = 0
        self._model = ""
        self._position = 0
        self._since_snapshot = 0
        self._written = 0, 0

    async def run(self) -> None:
        """Write until cancelled. A log that is lost is made anew."""
        with self._feed.watch() as changed:
            while True:
                if not self._feed.may_go_on:
                    await asyncio.sleep(EVERY_SECONDS)
                changed.clear()
                try:
                    await self._write()
                except (BrokerDown, *AMQP_ERRORS) as error:
                    key = self._feed.key
                    log.warning(
                        "log not written",
                        action="log.failed",
                        session_id=key.session_id,
                        turn=key.turn,
                        error=type(error).__name__,
                    )
                    self._is_open = False
                    await asyncio.sleep(EVERY_SECONDS)
                    await self._connection.wait_up()
                else:
                    await changed.wait()

    def reaches_to(self) -> int:
        """Up to which position the log has the attempt that runs."""
        attempt, position = self._written
        return position if attempt == self._feed.attempt else 0

    async def delete(self) -> None:
        """The turn is committed: the store has it now. A broker that is away for longer is left to expire the log.

        Once `run` is cancelled; a log that is just being made is made first, or it would be made afterwards.
        """
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(DELETE_SECONDS):
                while self._exists and not await self._is_deleted():
                    await asyncio.sleep(RETRY_SECONDS)
                    await self._connection.wait_up()

    async def _write(self) -> None:
        feed = self._feed
        await self._lease.wait_valid()
        if not self._is_open:
            await self._open()
            await self._lease.wait_valid()
        is_another = (feed.attempt, feed.model) != (self._attempt, self._model)
        if is_another or self._since_snapshot >= SNAPSHOT_EVERY:
            self._attempt, self._model, self._since_snapshot = feed.attempt, feed.model, 0
            event: Snapshot | Batch = feed.snapshot()
        elif len(feed.tape) > self._position:
            event = Batch(feed.attempt, self._position, feed.tape.pieces(self._position))
        else:
            return
        self._position = len(feed.tape)
        self._since_snapshot += 1
        # It has to reach a queue, or the log is gone.
        await self._connection.message_channel().publish(encode(event), "", self._name, mandatory=True)
        self._written = self._attempt, self._position
        self.on_written()

    async def _open(self) -> None:
        open_log = renew_log if self._exists else declare_log
        self._exists = True
        key = self._feed.key
        opening = self._connection.call(lambda channel: open_log(channel, key), about=str(key))
        self._opening = asyncio.create_task(opening, name=f"open log {key}")
        self._opening.add_done_callback(_retrieve_error)
        await asyncio.shield(self._opening)
        self._is_open = True
        self._attempt = 0  # it begins with a snapshot

    async def _is_deleted(self) -> bool:
        try:
            await self._connection.call(lambda channel: channel.queue_delete(self._name), about=str(self._feed.key))
        except BrokerDown:
            return False
        return True


def _retrieve_error(opening: asyncio.Task[None]) -> None:
    """Else asyncio logs it as never retrieved, where `run` was cancelled meanwhile."""
    if not opening.cancelled():
        opening.exception()
