"""The keeper: renews this process's heartbeat, and ends its runs that were cancelled or taken over.

Workers and API processes each have one, because both can own turns.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import structlog

from core.background import Background
from core.model.errors import StoreDown
from core.model.keys import TurnKey
from core.model.model_states import ModelStates
from core.store.store import Store
from core.store.turns.ownership import OwnedTurn
from core.turns.lease import Lease
from core.turns.run import Run, Stop

log = structlog.get_logger()

BEAT_SECONDS = 1.0
CHECK_SECONDS = 0.4
"""How often cancellations are looked for: a stopped answer ends within a second, and the request to its model."""


class Keeper:
    def __init__(
        self, store: Store, process_id: str, kind: str, states: Callable[[], ModelStates] = ModelStates
    ) -> None:
        """`states`: what this process has to tell of models."""
        self._states = states
        self.lease = Lease()
        self.runs: dict[TurnKey, Run] = {}
        """The runs of this process, for others to look at."""
        self._store = store
        self._process_id = process_id
        self._kind = kind
        self.oldest_format = 1
        """The format (`core.version`) that all living processes can read, as far as the last heartbeat has shown."""
        self._is_retiring = False
        self._unaccounted: set[OwnedTurn] = set()
        self._background = Background()

    def add(self, run: Run) -> None:
        """A run begins. If this process ran the turn before, it has lost it and claimed it again: the earlier run ends
        here, because the store counts the turn as this process's own."""
        before = self.runs.get(run.turn.key)
        if before is not None:
            before.stop(Stop.LOST)
        self.runs[run.turn.key] = run
        if self._is_retiring:
            run.retire()

    def retire(self) -> None:
        """The process stops, and others can go on with its turns."""
        self._is_retiring = True
        for run in self.runs.values():
            run.retire()

    def remove(self, run: Run) -> None:
        """It has ended."""
        if self.runs.get(run.turn.key) is run:
            del self.runs[run.turn.key]

    def start(self) -> None:
        """Once the store is open. A database that is away lets the lease run out, which pauses the answers."""
        self._background.repeat("keeper", self._check, pause_seconds=CHECK_SECONDS, put_off_by=(StoreDown,))

    async def stop(self) -> None:
        """Once no turn runs any more."""
        await self._background.stop()
        await self.leave()

    async def leave(self) -> None:
        """Take this process's row away, so that nobody has to wait until its heartbeat is old."""
        with suppress(StoreDown):
            await self._store.processes.leave(self._process_id)

    async def _check(self) -> None:
        now = monotonic()
        await self._store.processes.look()
        # Listed before the store is asked: a turn that is claimed meanwhile must not look like a lost one.
        runs = list(self.runs.items())
        beat_due = self.lease.age() >= BEAT_SECONDS - CHECK_SECONDS / 2
        if beat_due:
            await self._store.processes.beat(self._process_id, self._kind, self._states())
            self.oldest_format = await self._store.processes.oldest_format()
        if runs or beat_due:
            mine = {own.key: own for own in await self._store.ownership.owned_by(self._process_id)}
            for key, run in runs:
                if key not in mine:
                    run.stop(Stop.LOST)
                elif mine[key].cancel_requested:
                    run.stop(Stop.CANCELLED)
            await self._abandon({own for own in mine.values() if own.key not in self.runs})
        if beat_due:
            self.lease.renew(now)

    async def _abandon(self, unaccounted: set[OwnedTurn]) -> None:
        """Release turns that this process owns in the store but does not run. Only those found twice in a row, because
        a claim is stored a moment before its run begins."""
        for own in unaccounted & self._unaccounted:
            log.error(
                "turn without a run",
                action="keeper.abandon",
                session_id=own.key.session_id,
                turn=own.key.turn,
            )
            await self._store.ownership.abandon(own.key, own.attempt, self._process_id)
        self._unaccounted = unaccounted
