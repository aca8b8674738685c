"""Ownership: who runs a turn, who may end it, and which turns have lost their owner.

The claim decides, not the job: one conditional UPDATE gives a turn to one process, and every later write of an attempt
is conditional on the attempt still being its own.
"""

from enum import Enum
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from core.model.context import RequestContext
from core.model.events import Done, End, Failed
from core.model.keys import TurnKey
from core.model.tape import Tape
from core.store.database.base import Database
from core.store.history import read_earlier
from core.store.processes import alive, silent
from core.store.records import Turn
from core.store.schema import ACTIVE, IS_TURN, db_now, of, turns
from core.store.turn_rows import WHILE_IT_RUNS, read_context, read_turn

MAX_LOST_ATTEMPTS = 3
"""A job that killed three workers is taken for the killer. Attempts that were handed over do not count: a turn may live
through any number of deploys."""
REQUEUE_SECONDS = 5.0
"""A turn without an owner is queued again at most this often."""
OVERDUE_SECONDS = 4.0
"""A queued turn is looked at when its job, which no longer waits, should long have been claimed: later than an API that
cannot queue the job takes the turn back."""
LEFT_LOG_SECONDS = 600.0
"""How far back logs are looked for that a dead worker left; what is older expires by itself (LOG_EXPIRES_MS)."""

_orphaned = turns.c.owner.is_(None) | turns.c.owner.not_in(alive())
_lost_attempts = turns.c.lost_attempts + sa.case((turns.c.owner.is_not(None), 1), else_=0)
"""With the one whose owner fell silent."""
_active = sa.or_(*(turns.c.status == status for status in ACTIVE))
_running = turns.c.status == "running"
_overdue = (turns.c.status == "queued") & (turns.c.queued_at < db_now() - OVERDUE_SECONDS)
_own = (
    IS_TURN
    & _running
    & (turns.c.attempt == sa.bindparam("own_attempt"))
    & (turns.c.owner == sa.bindparam("own_process"))
)

_CLAIM = (
    sa.update(turns)
    .where(IS_TURN, _active, _lost_attempts < MAX_LOST_ATTEMPTS, _orphaned)
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
_spent = (_lost_attempts >= MAX_LOST_ATTEMPTS) & _orphaned
_WHY_HELD = sa.select(turns.c.status, _spent.label("spent")).where(IS_TURN)
_NEXT_ATTEMPT = (
    sa.update(turns)
    .where(_own, turns.c.lost_attempts + 1 < MAX_LOST_ATTEMPTS)
    .values(attempt=turns.c.attempt + 1, dropped=turns.c.attempt, lost_attempts=turns.c.lost_attempts + 1)
    .returning(turns.c.attempt)
)
_OWNED_BY = sa.select(turns.c.session_id, turns.c.turn, turns.c.attempt, turns.c.cancel_requested).where(
    _running, turns.c.owner == sa.bindparam("own_process")
)
_release = sa.update(turns).where(_own).values(owner=None, queued_at=db_now())
_HAND_OVER = _release.values(handed_over=turns.c.attempt)
_ABANDON = _release.values(lost_attempts=turns.c.lost_attempts + 1)
_FINISH = (
    sa.update(turns)
    .where(_own)
    .values(
        finished_at=db_now(),
        asked_at=turns.c.claimed_at + sa.bindparam("asked_after", type_=sa.Double),
        first_token_at=turns.c.claimed_at + sa.bindparam("first_token_after", type_=sa.Double),
    )
)
_FINISH_ORPHAN = sa.update(turns).where(IS_TURN, _active, _orphaned).values(finished_at=db_now())
_HAS_OVERDUE = sa.select(turns.c.turn).where(_overdue).limit(1)
_LOST_DIRECT = sa.select(turns).where(_running, turns.c.mode == "direct", _orphaned)
_CANCELLED_ORPHANS = sa.select(turns).where(_active, turns.c.cancel_requested, _orphaned)
_LEFT_LOGS = sa.select(turns.c.session_id, turns.c.turn).where(
    turns.c.mode == "queue", turns.c.finished_at > db_now() - LEFT_LOG_SECONDS, turns.c.owner.in_(silent())
)


class _Requeue:
    """Look first: the usual answer is none, and a write would make every process wait for the others."""

    def __init__(self, condition: sa.ColumnElement[bool]) -> None:
        here = condition & (turns.c.mode == "queue")
        self.exists = sa.select(turns.c.turn).where(here).limit(1)
        told = (turns.c.session_id, turns.c.turn, turns.c.request_id, turns.c.trace_context)
        self.update = sa.update(turns).where(here).values(queued_at=db_now()).returning(*told)


_ORPHANS = _Requeue(
    _running & _orphaned & (turns.c.queued_at.is_(None) | (turns.c.queued_at < db_now() - REQUEUE_SECONDS))
)
_OVERDUE = _Requeue(_overdue)


class Held(Enum):
    """Why a turn could not be claimed."""

    BUSY = "its owner lives"
    FINISHED = "it is finished"
    EXHAUSTED = "it has used up its attempts"
    GONE = "it was deleted"


class OwnedTurn(msgspec.Struct, frozen=True):
    key: TurnKey
    attempt: int
    cancel_requested: bool


class Requeued(NamedTuple):
    """A turn that waits for a worker again, and the request that its new job goes on to tell of."""

    key: TurnKey
    context: RequestContext


class Ownership:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, key: TurnKey, process_id: str) -> Turn | Held:
        """Take the turn as its next attempt, unless its owner lives, it is finished or has no attempt left."""
        return await self._database.run(lambda connection: _claim(connection, key, process_id))

    async def next_attempt(self, key: TurnKey, attempt: int, process_id: str) -> int | None:
        """Start the own turn afresh after a drop; None where the attempt is no longer ours or was the last one."""
        started: int | None = await self._database.value(_NEXT_ATTEMPT, **_own_by(key, attempt, process_id))
        return started

    async def finish(
        self,
        key: TurnKey,
        process_id: str,
        tape: Tape,
        end: End,
        *,
        asked_after: float | None = None,
        first_token_after: float | None = None,
        part_ends: bytes | None = None,
    ) -> bool:
        """Commit an attempt's answer. False where the attempt is no longer its own: then nobody may hear of it.

        `asked_after`, `first_token_after`: seconds since the turn was claimed (a direct turn: created) here, by this
        process's monotonic clock; None where it did not come to that.
        """
        values = {
            **_own_by(key, end.attempt, process_id),
            **_ending(end),
            "tape": tape.encode(),
            "part_ends": part_ends,
            "asked_after": asked_after,
            "first_token_after": first_token_after,
        }
        return bool(await self._database.change(_FINISH, **values))

    async def finish_orphan(self, key: TurnKey, end: End) -> bool:
        """End a turn that has no living owner. False where it has one again, or is finished."""
        return bool(await self._database.change(_FINISH_ORPHAN, **of(key), tape=Tape().encode(), **_ending(end)))

    async def hand_over(self, key: TurnKey, attempt: int, process_id: str) -> bool:
        """Release the turn in order: whoever claims it next need not wait."""
        return bool(await self._database.change(_HAND_OVER, **_own_by(key, attempt, process_id)))

    async def abandon(self, key: TurnKey, attempt: int, process_id: str) -> bool:
        """Release a turn whose attempt has failed us."""
        return bool(await self._database.change(_ABANDON, **_own_by(key, attempt, process_id)))

    async def owned_by(self, process_id: str) -> list[OwnedTurn]:
        """The turns that this process runs, by the store's word."""
        rows = await self._database.rows(_OWNED_BY, own_process=process_id)
        return [OwnedTurn(TurnKey(row.session_id, row.turn), row.attempt, row.cancel_requested) for row in rows]

    async def requeue_orphans(self) -> list[Requeued]:
        """Running turns whose owner is silent. Marked as queued again, so that one process alone sends each job."""
        return await self._requeue(_ORPHANS)

    async def has_overdue(self) -> bool:
        return await self._database.row(_HAS_OVERDUE) is not None

    async def requeue_overdue(self) -> list[Requeued]:
        """Turns that wait for long, where no job waits with them: their job was lost, or a frozen worker has it."""
        return await self._requeue(_OVERDUE)

    async def lost_direct_turns(self, session_id: str | None = None) -> list[Turn]:
        """Running direct turns whose API process is gone; nobody can finish those."""
        query = _LOST_DIRECT if session_id is None else _LOST_DIRECT.where(turns.c.session_id == session_id)
        return [read_turn(row) for row in await self._database.rows(query)]

    async def cancelled_orphans(self) -> list[Turn]:
        """Turns that were cancelled, and that nobody runs who could see that."""
        return [read_turn(row) for row in await self._database.rows(_CANCELLED_ORPHANS)]

    async def left_logs(self) -> list[TurnKey]:
        """Turns that ended lately and whose process is dead: it may have died before it deleted their logs."""
        return [TurnKey(row.session_id, row.turn) for row in await self._database.rows(_LEFT_LOGS)]

    async def _requeue(self, requeue: _Requeue) -> list[Requeued]:
        if await self._database.row(requeue.exists) is None:
            return []
        rows = await self._database.rows(requeue.update)
        return [
            Requeued(TurnKey(row.session_id, row.turn), read_context(row.request_id, row.trace_context)) for row in rows
        ]


def process_lost(turn: Turn) -> Failed:
    """How a direct turn ends whose API process is gone."""
    return Failed(turn.attempt, 0, "process_lost", "the process that answered this direct turn is gone")


def _claim(connection: sa.Connection, key: TurnKey, process_id: str) -> Turn | Held:
    row = connection.execute(_CLAIM, {**of(key), "claimant": process_id}).one_or_none()
    if row is not None:
        return read_turn(row, read_earlier(connection, key))
    seen = connection.execute(_WHY_HELD, of(key)).one_or_none()
    if seen is None:
        return Held.GONE
    if seen.status not in ACTIVE:
        return Held.FINISHED
    return Held.EXHAUSTED if seen.spent else Held.BUSY


def _own_by(key: TurnKey, attempt: int, process_id: str) -> dict[str, Any]:
    return {**of(key), "own_attempt": attempt, "own_process": process_id}


def _ending(end: End) -> dict[str, object]:
    match end:
        case Done():
            usage = end.usage
            return {
                "status": "done",
                "finish_reason": _fit(end.finish_reason, turns.c.finish_reason),
                "input_tokens": usage.input_tokens if usage else None,
                "output_tokens": usage.output_tokens if usage else None,
            }
        case Failed():
            return {
                "status": "error",
                "error_code": end.code,
                "error_message": _fit(end.message, turns.c.error_message),
            }


def _fit(text: str, column: sa.Column[str]) -> str:
    """The model's service has the first word in these: PostgreSQL refuses NUL and what is longer than its column."""
    return text.replace("\0", "\ufffd")[: getattr(column.type, "length", None)]
