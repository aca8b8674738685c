"""The keeper: renews this process's heartbeat, and ends its runs that were cancelled or taken over.

Workers and API processes each have one, because both can own turns.
"""

import asyncio
import os
import secrets
import socket
from time import monotonic

import structlog

from core.model.errors import StoreDown
from core.model.keys import TurnKey
from core.store.ownership import OwnedTurn
from core.store.store import Store
from core.turns.run import Run, Stop

log = structlog.get_logger()

BEAT_SECONDS = 1.0
CHECK_SECONDS = 0.4
"""How often cancellations are looked for: a stopped answer ends within a second, upstream request and all."""
LEASE_SECONDS = 2.5
"""Others take our turns over a second later: a process that was frozen falls silent by itself first."""

SETTLE_SECONDS = 6.0
"""What a process may take to be heard of once the database is back: it may be waiting for a connection (5 s)."""


def new_process_id(kind: str) -> str:
    """Unique even where a container starts again under the same name and pid."""
    return f"{kind}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[:128]


class Lease:
    """The right to publish, renewed by every heartbeat; by the monotonic clock, which goes on while we are frozen."""

    def __init__(self) -> None:
        self._renewed_at = float("-inf")
        self._renewed = asyncio.Event()
        self._settled_at = float("-inf")

    @property
    def valid(self) -> bool:
        return self.age() < LEASE_SECONDS

    @property
    def settled(self) -> bool:
        """Whether others that are silent are so by themselves: after a time without the database all are, at first."""
        return self.valid and monotonic() >= self._settled_at

    def age(self) -> float:
        """Seconds since the last heartbeat."""
        return monotonic() - self._renewed_at

    def renew(self, at: float) -> None:
        """`at`: the monotonic time before the heartbeat was sent."""
        if self._renewed_at > float("-inf") and not self.valid:
            self._settled_at = monotonic() + SETTLE_SECONDS
        self._renewed_at = at
        self._renewed.set()

    async def wait_valid(self) -> None:
        while not self.valid:
            self._renewed.clear()
            await self._renewed.wait()


class Keeper:
    def __init__(self, store: Store, process_id: str, kind: str) -> None:
        self.lease = Lease()
        self.runs: dict[TurnKey, Run] = {}
        """The runs of this process, for others to look at."""
        self._store = store
        self._process_id = process_id
        self._kind = kind
        self._unaccounted: set[OwnedTurn] = set()

    def add(self, run: Run) -> None:
        """A run begins. One before it of the same turn has lost it, to this process itself, and is told so here: by the
        store's word the turn is ours."""
        before = self.runs.get(run.turn.key)
        if before is not None:
            before.stop(Stop.LOST)
        self.runs[run.turn.key] = run

    def remove(self, run: Run) -> None:
        """It has ended."""
        if self.runs.get(run.turn.key) is run:
            del self.runs[run.turn.key]

    async def run(self) -> None:
        """Until cancelled. A database that is away lets the lease run out, which pauses the answers."""
        while True:
            try:
                await self._check()
            except StoreDown as error:
                log.warning("store not reached", action="keeper.store_down", error=str(error.__cause__))
            except Exception as error:
                log.error("check failed", action="keeper.failed", exc_info=error)
            await asyncio.sleep(CHECK_SECONDS)

    async def leave(self) -> None:
        """Say goodbye in order."""
        await self._store.processes.leave(self._process_id)

    async def _check(self) -> None:
        now = monotonic()
        # Only runs that were claimed before the question can be missing from its answer.
        runs = list(self.runs.items())
        beat_due = self.lease.age() >= BEAT_SECONDS - CHECK_SECONDS / 2
        if beat_due:
            await self._store.processes.beat(self._process_id, self._kind)
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
        """Turns that are ours but that nobody here runs, twice in a row: a claim is written before its run begins."""
        for own in unaccounted & self._unaccounted:
            log.error(
                "turn without a run",
                action="keeper.abandon",
                session_id=own.key.session_id,
                turn=own.key.turn,
            )
            await self._store.ownership.abandon(own.key, own.attempt, self._process_id)
        self._unaccounted = unaccounted
