"""Housekeeping: ends, for dead processes, the turns that no worker is needed for."""

from core.background import Background
from core.model.errors import StoreDown
from core.model.events import Done
from core.store.store import Store
from core.store.turns.orphans import process_lost
from core.turns.endings import Endings

PAUSE_SECONDS = 5.0
"""Somebody may be waiting for such a turn's end, and to look for them takes two cheap queries."""


class Housekeeping:
    def __init__(self, store: Store, endings: Endings) -> None:
        self._store = store
        self._endings = endings
        self._background = Background()

    def start(self) -> None:
        """Once the store is open."""
        self._background.repeat("housekeeping", self._clean, pause_seconds=PAUSE_SECONDS, put_off_by=(StoreDown,))

    async def stop(self) -> None:
        await self._background.stop()

    async def _clean(self) -> None:
        for turn in await self._store.orphans.lost_direct():
            await self._endings.end(turn, process_lost(turn))
        for turn in await self._store.orphans.cancelled():
            # A worker would claim such a turn only to end it; and perhaps there is none.
            await self._endings.end(turn, Done(turn.attempt, 0, "cancelled"))
