"""Housekeeping: ends, for dead processes, the turns that no worker is needed for."""

import asyncio

import structlog

from core.broker.connection import BrokerConnection
from core.broker.session_log import close_log
from core.model.errors import BrokerDown, StoreDown
from core.model.events import Done
from core.store.store import Store
from core.turns.keeper import Lease

log = structlog.get_logger()

LOOK_SECONDS = 5.0
"""From the start on. Somebody may be waiting for such a turn's end, and a look is two cheap queries."""


class Housekeeping:
    def __init__(self, store: Store, connection: BrokerConnection, lease: Lease) -> None:
        self._store = store
        self._connection = connection
        self._lease = lease

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if self._lease.settled:
                    await self._end_lost_direct_turns()
                    await self._end_cancelled_orphans()
            except StoreDown as error:
                log.debug("put off", action="housekeeping.put_off", error=error.code)
            except Exception as error:
                log.error("housekeeping failed", action="housekeeping.failed", exc_info=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _end_lost_direct_turns(self) -> None:
        for turn in await self._store.orphans.lost_direct_turns():
            await self._store.orphans.finish_lost_direct(turn)

    async def _end_cancelled_orphans(self) -> None:
        """A worker would claim such a turn only to end it; and perhaps there is none."""
        for turn in await self._store.orphans.cancelled_orphans():
            end = Done(turn.attempt, 0, "cancelled")
            if await self._store.orphans.finish_orphan(turn.key, end):
                log.info("cancelled turn ended", action="housekeeping.cancelled", session_id=turn.session_id)
                try:
                    await self._connection.call(lambda channel, turn=turn, end=end: close_log(channel, turn.key, end))  # type: ignore[misc]
                except BrokerDown:
                    continue  # its viewers ask the store
