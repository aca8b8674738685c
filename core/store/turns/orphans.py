"""Orphans: turns that nobody alive runs, or whose job was lost. Each is queued again, or ended, by one process."""

from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from core.model.context import RequestContext
from core.model.events import End, Failed
from core.model.keys import TurnKey
from core.store.database.base import Database
from core.store.liveness import Liveness, silent
from core.store.schema import db_now, turns
from core.store.turns.conditions import (
    IS_ACTIVE,
    IS_OF_QUEUE,
    IS_ORPHANED,
    IS_QUEUED,
    IS_RUNNING,
    IS_TURN,
    IS_UNFINISHED,
    IS_WAITING,
    of,
)
from core.store.turns.records import Turn
from core.store.turns.rows import ending, read_context, read_turn
from core.store.turns.steps import read_tape

REQUEUE_SECONDS = 5.0
"""A turn whose owner is silent, or whose job is lost, is queued again at most this often."""
OVERDUE_SECONDS = 4.0
"""A turn that has been queued for so long, while its queue is empty, has lost its job. An API that cannot publish the
job takes the turn back sooner than that."""
LEFT_LOG_SECONDS = 600.0
"""How far back logs are looked for that a dead worker left; what is older expires by itself (LOG_EXPIRES_MS)."""


def _queued_for(seconds: float) -> sa.ColumnElement[bool]:
    """Or since a time to come: then the clock was put back."""
    return (turns.c.queued_at < db_now() - seconds) | (turns.c.queued_at > db_now() + seconds)


_overdue = IS_QUEUED & _queued_for(OVERDUE_SECONDS)

_FINISH = sa.update(turns).where(IS_TURN, IS_UNFINISHED, IS_ORPHANED).values(finished_at=db_now())
_KEEP = sa.update(turns).where(IS_TURN).values(tape=sa.bindparam("answer"))
_OVERDUE_QUEUES = sa.select(turns.c.queue).where(_overdue, turns.c.mode == "queue").distinct()
_LOST_DIRECT = sa.select(turns).where(IS_RUNNING | IS_WAITING, turns.c.mode == "direct", IS_ORPHANED)
_CANCELLED_ORPHANS = sa.select(turns).where(IS_ACTIVE, turns.c.cancel_requested, IS_ORPHANED)
_LEFT_LOGS = sa.select(turns.c.session_id, turns.c.turn).where(
    turns.c.mode == "queue", turns.c.finished_at > db_now() - LEFT_LOG_SECONDS, turns.c.owner.in_(silent())
)


class _Requeue:
    """A read comes first: the usual answer is none, and a write would make every process wait for the others."""

    def __init__(self, condition: sa.ColumnElement[bool]) -> None:
        here = condition & (turns.c.mode == "queue")
        self.exists = sa.select(turns.c.turn).where(here).limit(1)
        told = (turns.c.session_id, turns.c.turn, turns.c.request_id, turns.c.trace_context, turns.c.queue)
        self.update = sa.update(turns).where(here).values(queued_at=db_now()).returning(*told)


_ORPHANS = _Requeue(IS_RUNNING & IS_ORPHANED & (turns.c.queued_at.is_(None) | _queued_for(REQUEUE_SECONDS)))
_OVERDUE = _Requeue(_overdue & IS_OF_QUEUE)


class Requeued(NamedTuple):
    """A turn that waits for a worker again, and the request that its new job goes on to tell of."""

    key: TurnKey
    context: RequestContext
    queue: str | None
    silent_beat: int = 0
    """By which its owner was found silent; see `core.store.liveness`."""


class Orphans:
    def __init__(self, database: Database, liveness: Liveness) -> None:
        self._database = database
        self._liveness = liveness

    async def finish(self, key: TurnKey, end: End) -> End | None:
        """End a turn that has no living owner, with what is stored of its steps as its answer. Returns the end at its
        position; None where the turn has an owner again, or is finished."""
        ended = {**of(key), **self._silent, **ending(end)}

        def finish(connection: sa.Connection) -> End | None:
            # Before the steps are read: an owner that wakes up writes none from now on.
            if not connection.execute(_FINISH, ended).rowcount:
                return None
            tape = read_tape(connection, key)
            connection.execute(_KEEP, {**of(key), "answer": tape.encode()})
            return msgspec.structs.replace(end, position=len(tape))

        return await self._database.run_in_thread(finish)

    async def requeue_lost(self) -> list[Requeued]:
        """Running turns whose owner is silent. Marked as queued again, so that one process alone sends each job."""
        return await self._requeue(_ORPHANS)

    async def overdue_queues(self) -> list[str | None]:
        """In which turns have been queued for long."""
        return [row.queue for row in await self._database.rows(_OVERDUE_QUEUES)]

    async def requeue_overdue(self, queue: str | None) -> list[Requeued]:
        """Turns that have been queued for long, while no job is in their queue: theirs was lost, or a frozen worker has
        it."""
        return await self._requeue(_OVERDUE, of_queue=queue)

    async def lost_direct(self, session_id: str | None = None) -> list[Turn]:
        """Direct turns that run or wait, and whose API process is gone; nobody can finish those."""
        query = _LOST_DIRECT if session_id is None else _LOST_DIRECT.where(turns.c.session_id == session_id)
        return [read_turn(row) for row in await self._database.rows(query, **self._silent)]

    async def cancelled(self) -> list[Turn]:
        """Turns that were cancelled, and that nobody runs who could see that."""
        return [read_turn(row) for row in await self._database.rows(_CANCELLED_ORPHANS, **self._silent)]

    async def left_logs(self) -> list[TurnKey]:
        """Turns that ended lately and whose process is dead: it may have died before it deleted their logs."""
        return [TurnKey(row.session_id, row.turn) for row in await self._database.rows(_LEFT_LOGS, **self._silent)]

    @property
    def _silent(self) -> dict[str, int]:
        return {"silent_beat": self._liveness.silent_beat}

    async def _requeue(self, requeue: _Requeue, **which: str | None) -> list[Requeued]:
        silent = self._silent
        if await self._database.row(requeue.exists, **which, **silent) is None:
            return []
        rows = await self._database.rows(requeue.update, **which, **silent)
        return [
            Requeued(
                TurnKey(row.session_id, row.turn), read_context(row.request_id, row.trace_context), row.queue, **silent
            )
            for row in rows
        ]


def process_lost(turn: Turn) -> Failed:
    """How a direct turn ends whose API process is gone."""
    return Failed(turn.attempt, 0, "process_lost", "the process that answered this direct turn is gone")
