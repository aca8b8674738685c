"""Ownership: who runs a turn, and who may end it. Turns that have lost their owner are in `orphans`.

The claim decides, not the job: one conditional UPDATE gives a turn to one process, and every later write of an attempt
is conditional on the attempt still being its own.
"""

from enum import Enum
from typing import Any

import msgspec
import sqlalchemy as sa

from core.model.events import End
from core.model.keys import TurnKey
from core.model.tape import Tape
from core.store.database.base import Database
from core.store.liveness import Liveness
from core.store.schema import ACTIVE, db_now, turns
from core.store.turns.conditions import IS_ACTIVE, IS_ORPHANED, IS_OWN, IS_RUNNING, IS_TURN, of, own_by
from core.store.turns.history import read_earlier
from core.store.turns.records import Turn
from core.store.turns.rows import WHILE_IT_RUNS, ending, read_turn

MAX_LOST_ATTEMPTS = 3
"""A job that killed three workers is taken for the killer; an answer that its provider dropped counts as well. Attempts
that were handed over do not: a turn may live through any number of deploys."""

_lost_attempts = turns.c.lost_attempts + sa.case((turns.c.owner.is_not(None), 1), else_=0)
"""Once the owner that the turn has now, if any, counts as lost too."""
_CLAIM = (
    sa.update(turns)
    .where(IS_TURN, IS_ACTIVE, _lost_attempts < MAX_LOST_ATTEMPTS, IS_ORPHANED)
    .values(
        attempt=turns.c.attempt + 1,
        lost_attempts=_lost_attempts,
        owner=sa.bindparam("claimant"),
        status="running",
        queued_at=None,
        started_at=sa.func.coalesce(turns.c.started_at, db_now()),
        claimed_at=db_now(),
    )
    .returning(*WHILE_IT_RUNS)
)
_spent = (_lost_attempts >= MAX_LOST_ATTEMPTS) & IS_ORPHANED
_WHY_HELD = sa.select(turns.c.status, _spent.label("spent")).where(IS_TURN)
_LAST_ATTEMPT = (
    sa.update(turns)
    .where(IS_OWN)
    .values(attempt=turns.c.attempt + 1, dropped=turns.c.attempt, lost_attempts=turns.c.lost_attempts + 1)
    .returning(turns.c.attempt)
)
_NEXT_ATTEMPT = _LAST_ATTEMPT.where(turns.c.lost_attempts + 1 < MAX_LOST_ATTEMPTS)
_OWNED_BY = sa.select(turns.c.session_id, turns.c.turn, turns.c.attempt, turns.c.cancel_requested).where(
    IS_RUNNING, turns.c.owner == sa.bindparam("own_process")
)
_release = sa.update(turns).where(IS_OWN).values(owner=None, queued_at=db_now())
_HAND_OVER = _release.values(handed_over=turns.c.attempt)
_ABANDON = _release.values(lost_attempts=turns.c.lost_attempts + 1)
_FINISH = (
    sa.update(turns)
    .where(IS_OWN)
    .values(
        finished_at=db_now(),
        asked_at=turns.c.claimed_at + sa.bindparam("asked_after", type_=sa.Double),
        first_token_at=turns.c.claimed_at + sa.bindparam("first_token_after", type_=sa.Double),
    )
)
_HAS_FINISHED = sa.select(turns.c.turn).where(
    IS_TURN,
    turns.c.attempt == sa.bindparam("own_attempt"),
    turns.c.owner == sa.bindparam("own_process"),
    turns.c.status.not_in(ACTIVE),
    turns.c.part_ends.is_not(None),  # else somebody has ended it for an owner that was taken for dead
)
_KEEP = sa.update(turns).where(IS_OWN).values(upstream=sa.bindparam("kept", type_=turns.c.upstream.type))


class Held(Enum):
    """Why a turn could not be claimed."""

    BUSY = "its owner lives"
    FINISHED = "it is finished"
    EXHAUSTED = "it has used up its attempts"
    GONE = "it was deleted"
    ELSEWHERE = "its turn is in another database; give the API and all its workers the same DATABASE_URL"


class OwnedTurn(msgspec.Struct, frozen=True):
    key: TurnKey
    attempt: int
    cancel_requested: bool


class Ownership:
    def __init__(self, database: Database, liveness: Liveness) -> None:
        self._database = database
        self._liveness = liveness

    async def claim(self, key: TurnKey, process_id: str, silent_beat: int = 0) -> Turn | Held:
        """Take the turn as its next attempt, unless its owner lives, it is finished or has no attempt left.
        `silent_beat`: by which another process found the owner silent; a heartbeat beyond it shows that this lives."""
        seen = max(silent_beat, self._liveness.silent_beat)
        asked = {**of(key), "claimant": process_id, "silent_beat": seen}
        return await self._database.run(lambda connection: _claim(connection, key, asked))

    async def next_attempt(self, key: TurnKey, attempt: int, process_id: str, *, is_last: bool = False) -> int | None:
        """Start the own turn afresh after a drop; None where the attempt is no longer ours, or there may be no other.
        `is_last`: it asks no model, so MAX_LOST_ATTEMPTS does not hold for it."""
        statement = _LAST_ATTEMPT if is_last else _NEXT_ATTEMPT
        started: int | None = await self._database.value(statement, **own_by(key, attempt, process_id))
        return started

    async def keep(self, key: TurnKey, attempt: int, process_id: str, kept: dict[str, Any] | None) -> bool:
        """Note the answer that its service keeps (`Turn.upstream`), for whoever may take the turn over."""
        return bool(await self._database.change(_KEEP, **own_by(key, attempt, process_id), kept=kept))

    async def finish(
        self,
        key: TurnKey,
        process_id: str,
        tape: Tape,
        end: End,
        *,
        asked_after: float | None = None,
        first_token_after: float | None = None,
        reasoning_seconds: float | None = None,
        part_ends: bytes | None = None,
        origin: int | None = None,
        tries: list[dict[str, Any]] | None = None,
        cost: float | None = None,
    ) -> bool:
        """Commit an attempt's answer. False where the attempt is no longer its own: then nobody may hear of it.

        `asked_after`, `first_token_after`: seconds since the turn was claimed (a direct turn: created) here, by this
        process's monotonic clock; None where it did not come to that. The other values are as in `Turn`.
        """
        values = {
            **own_by(key, end.attempt, process_id),
            **ending(end),
            "tape": tape.encode(),
            "part_ends": part_ends,
            "asked_after": asked_after,
            "first_token_after": first_token_after,
            "reasoning_seconds": reasoning_seconds,
            "origin": origin,
            "tries": tries,
            "cost": cost,
        }
        return bool(await self._database.change(_FINISH, **values))

    async def has_finished(self, key: TurnKey, attempt: int, process_id: str) -> bool:
        """Whether it was this very attempt that has committed its answer."""
        return await self._database.row(_HAS_FINISHED, **own_by(key, attempt, process_id)) is not None

    async def hand_over(self, key: TurnKey, attempt: int, process_id: str) -> bool:
        """Release the turn in order: whoever claims it next need not wait."""
        return bool(await self._database.change(_HAND_OVER, **own_by(key, attempt, process_id)))

    async def abandon(self, key: TurnKey, attempt: int, process_id: str) -> bool:
        """Release a turn that this process owns but does not run; that counts as a lost attempt."""
        return bool(await self._database.change(_ABANDON, **own_by(key, attempt, process_id)))

    async def owned_by(self, process_id: str) -> list[OwnedTurn]:
        """The turns that this process runs, by the store's word."""
        rows = await self._database.rows(_OWNED_BY, own_process=process_id)
        return [OwnedTurn(TurnKey(row.session_id, row.turn), row.attempt, row.cancel_requested) for row in rows]


def _claim(connection: sa.Connection, key: TurnKey, asked: dict[str, Any]) -> Turn | Held:
    row = connection.execute(_CLAIM, asked).one_or_none()
    if row is not None:
        return read_turn(row, read_earlier(connection, key))
    seen = connection.execute(_WHY_HELD, asked).one_or_none()
    if seen is None:
        return Held.GONE
    if seen.status not in ACTIVE:
        return Held.FINISHED
    return Held.EXHAUSTED if seen.spent else Held.BUSY
