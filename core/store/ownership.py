"""Ownership: who runs a turn, who may end it, and which turns have lost their owner.

The claim decides, not the job: one conditional UPDATE gives a turn to one process, and every later write of an attempt
is conditional on the attempt still being its own.
"""

from enum import Enum

import msgspec
import sqlalchemy as sa

from core.events import Done, End, Failed
from core.keys import TurnKey
from core.store.carried_through import carried_through
from core.store.database import Database
from core.store.processes import alive
from core.store.records import Turn
from core.store.schema import ACTIVE, db_now, is_turn, turns
from core.tape import Tape

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


class Held(Enum):
    """Why a turn could not be claimed."""

    BUSY = "its owner lives"
    FINISHED = "it is finished"
    EXHAUSTED = "it has used up its attempts"
    GONE = "it was deleted"


class Mine(msgspec.Struct, frozen=True):
    key: TurnKey
    attempt: int
    cancel_requested: bool


@carried_through
class Ownership:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, key: TurnKey, process_id: str) -> Turn | Held:
        """Take the turn as its next attempt, unless its owner lives, it is finished or has no attempt left."""
        update = (
            sa.update(turns)
            .where(is_turn(key), turns.c.status.in_(ACTIVE), _lost_attempts < MAX_LOST_ATTEMPTS, _orphaned)
            .values(
                attempt=turns.c.attempt + 1,
                lost_attempts=_lost_attempts,
                owner=process_id,
                status="running",
                queued_at=None,
                started_at=sa.func.coalesce(turns.c.started_at, db_now()),
            )
            .returning(*turns.c)
        )
        spent = (_lost_attempts >= MAX_LOST_ATTEMPTS) & _orphaned
        look = sa.select(turns.c.status, spent.label("spent")).where(is_turn(key))
        async with self._database.begin() as connection:
            row = (await connection.execute(update)).mappings().one_or_none()
            if row is not None:
                return Turn(**row)
            seen = (await connection.execute(look)).one_or_none()
        if seen is None:
            return Held.GONE
        if seen.status not in ACTIVE:
            return Held.FINISHED
        return Held.EXHAUSTED if seen.spent else Held.BUSY

    async def next_attempt(self, key: TurnKey, attempt: int, process_id: str) -> int | None:
        """Start the own turn afresh after a drop; None where the attempt is no longer ours or was the last one."""
        update = (
            sa.update(turns)
            .where(_is_own(key, attempt, process_id), turns.c.lost_attempts + 1 < MAX_LOST_ATTEMPTS)
            .values(attempt=turns.c.attempt + 1, dropped=attempt, lost_attempts=turns.c.lost_attempts + 1)
            .returning(turns.c.attempt)
        )
        async with self._database.begin() as connection:
            started: int | None = (await connection.execute(update)).scalar_one_or_none()
            return started

    async def finish(self, key: TurnKey, process_id: str, tape: Tape, end: End) -> bool:
        """Commit an attempt's answer. False where the attempt is no longer its own: then nobody may hear of it."""
        return await self._end(_is_own(key, end.attempt, process_id), tape, end)

    async def finish_orphan(self, key: TurnKey, end: End) -> bool:
        """End a turn that has no living owner. False where it has one again, or is finished."""
        return await self._end(is_turn(key) & turns.c.status.in_(ACTIVE) & _orphaned, Tape(), end)

    async def hand_over(self, key: TurnKey, attempt: int, process_id: str) -> bool:
        """Release the turn in order: whoever claims it next need not wait."""
        return await self._release(key, attempt, process_id, handed_over=attempt)

    async def abandon(self, key: TurnKey, attempt: int, process_id: str) -> bool:
        """Release a turn whose attempt has failed us."""
        return await self._release(key, attempt, process_id, lost_attempts=turns.c.lost_attempts + 1)

    async def mine(self, process_id: str) -> list[Mine]:
        """The turns that this process runs, by the store's word."""
        query = sa.select(turns.c.session_id, turns.c.turn, turns.c.attempt, turns.c.cancel_requested).where(
            turns.c.status == "running", turns.c.owner == process_id
        )
        async with self._database.begin() as connection:
            rows = await connection.execute(query)
            return [Mine(TurnKey(r.session_id, r.turn), r.attempt, r.cancel_requested) for r in rows]

    async def requeue_orphans(self) -> list[TurnKey]:
        """Running turns whose owner is silent. Marked as queued again, so that one process alone sends each job."""
        due = turns.c.queued_at.is_(None) | (turns.c.queued_at < db_now() - REQUEUE_SECONDS)
        return await self._requeue((turns.c.status == "running") & _orphaned & due)

    async def has_overdue(self) -> bool:
        async with self._database.begin() as connection:
            return (await connection.execute(sa.select(turns.c.turn).where(_overdue()).limit(1))).first() is not None

    async def requeue_overdue(self) -> list[TurnKey]:
        """Turns that wait for long, where no job waits with them: their job was lost, or a frozen worker has it."""
        return await self._requeue(_overdue())

    async def finish_lost_direct(self, turn: Turn) -> bool:
        """End a direct turn whose API process is gone."""
        end = Failed(turn.attempt, 0, "process_lost", "the process that answered this direct turn is gone")
        return await self.finish_orphan(turn.key, end)

    async def lost_direct_turns(self, session_id: str | None = None) -> list[Turn]:
        """Running direct turns whose API process is gone; nobody can finish those."""
        query = sa.select(turns).where(turns.c.status == "running", turns.c.mode == "direct", _orphaned)
        if session_id is not None:
            query = query.where(turns.c.session_id == session_id)
        async with self._database.begin() as connection:
            return [Turn(**row) for row in (await connection.execute(query)).mappings()]

    async def cancelled_orphans(self) -> list[Turn]:
        """Turns that were cancelled, and that nobody runs who could see that."""
        query = sa.select(turns).where(turns.c.status.in_(ACTIVE), turns.c.cancel_requested, _orphaned)
        async with self._database.begin() as connection:
            return [Turn(**row) for row in (await connection.execute(query)).mappings()]

    async def left_logs(self) -> list[TurnKey]:
        """Turns that ended lately and whose process is gone: it may have died before it deleted their logs."""
        query = sa.select(turns.c.session_id, turns.c.turn).where(
            turns.c.mode == "queue", turns.c.finished_at > db_now() - LEFT_LOG_SECONDS, _orphaned
        )
        async with self._database.begin() as connection:
            return [TurnKey(*row) for row in await connection.execute(query)]

    async def _release(self, key: TurnKey, attempt: int, process_id: str, **values: object) -> bool:
        async with self._database.begin() as connection:
            result = await connection.execute(
                sa.update(turns)
                .where(_is_own(key, attempt, process_id))
                .values(owner=None, queued_at=db_now(), **values)
            )
        return bool(result.rowcount)

    async def _requeue(self, condition: sa.ColumnElement[bool]) -> list[TurnKey]:
        """Look first: the usual answer is none, and a write would make every process wait for the others."""
        queue_mode = turns.c.mode == "queue"
        look = sa.select(turns.c.turn).where(condition, queue_mode).limit(1)
        update = (
            sa.update(turns)
            .where(condition, queue_mode)
            .values(queued_at=db_now())
            .returning(turns.c.session_id, turns.c.turn)
        )
        async with self._database.begin() as connection:
            if (await connection.execute(look)).first() is None:
                return []
        async with self._database.begin() as connection:
            return [TurnKey(*row) for row in await connection.execute(update)]

    async def _end(self, condition: sa.ColumnElement[bool], tape: Tape, end: End) -> bool:
        async with self._database.begin() as connection:
            result = await connection.execute(
                sa.update(turns).where(condition).values(tape=tape.encode(), finished_at=db_now(), **_ending(end))
            )
        return bool(result.rowcount)


def _overdue() -> sa.ColumnElement[bool]:
    return (turns.c.status == "queued") & (turns.c.queued_at < db_now() - OVERDUE_SECONDS)


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


def _is_own(key: TurnKey, attempt: int, process_id: str) -> sa.ColumnElement[bool]:
    return is_turn(key) & (turns.c.status == "running") & (turns.c.attempt == attempt) & (turns.c.owner == process_id)
