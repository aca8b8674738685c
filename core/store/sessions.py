"""Sessions: list, show, delete."""

from collections.abc import Callable
from functools import cache

import sqlalchemy as sa

from core.model.errors import NotFound
from core.store.database.base import Database, Insert
from core.store.reach import EVERYTHING, Reach
from core.store.schema import db_now, deleted_sessions, sessions, turns
from core.store.turns.filters import ANY_TURN, TurnFilter
from core.store.turns.records import Session

DELETED_KEPT_SECONDS = 86400.0
"""Far longer than anything of a deleted turn is under way: its job, its events, the process that answers it."""

_counted = turns.alias("counted")
_SELECT = sa.select(
    sessions.c.session_id,
    sessions.c.title,
    sa.select(sa.func.count()).where(_counted.c.session_id == sessions.c.session_id).scalar_subquery().label("turns"),
    sessions.c.created_at,
    sessions.c.updated_at,
    turns.c.status,
).join(turns, (turns.c.session_id == sessions.c.session_id) & (turns.c.turn == sessions.c.last_turn))

_FORGET = sa.delete(deleted_sessions).where(deleted_sessions.c.deleted_at < db_now() - DELETED_KEPT_SECONDS)
_LAST_DELETED = sa.select(deleted_sessions.c.last_turn).where(
    deleted_sessions.c.session_id == sa.bindparam("of_session")
)


class Sessions:
    def __init__(self, database: Database, reach: Reach = EVERYTHING) -> None:
        self._database = database
        self._reach = reach

    async def recent(self, limit: int, with_turn: TurnFilter = ANY_TURN) -> list[Session]:
        """Newest first; those that have a turn of this kind."""
        query = (
            _SELECT.where(self._reach.has_session(), *_has(with_turn))
            .order_by(sessions.c.updated_at.desc(), sessions.c.session_id)
            .limit(limit)
        )
        return [Session(**row._mapping) for row in await self._database.rows(query)]

    async def get(self, session_id: str) -> Session:
        """Raises NotFound."""
        row = await self._database.row(_SELECT.where(self._is(session_id)))
        if row is None:
            raise unknown_session(session_id)
        return Session(**row._mapping)

    async def delete(self, session_id: str) -> None:
        """The numbers of its turns are not given again: what is still under way of one of them, its last events say,
        would be taken for another's. Raises NotFound."""
        delete_it = sa.delete(sessions).where(self._is(session_id)).returning(sessions.c.last_turn)

        def delete(connection: sa.Connection) -> None:
            last_turn = connection.execute(delete_it).scalar_one_or_none()
            if last_turn is None:
                raise unknown_session(session_id)
            connection.execute(_FORGET)
            if last_turn:
                connection.execute(_remember(self._database.insert), {"session_id": session_id, "last_turn": last_turn})

        await self._database.run(delete)

    def _is(self, session_id: str) -> sa.ColumnElement[bool]:
        return (sessions.c.session_id == session_id) & self._reach.has_session()


def _has(wanted: TurnFilter) -> list[sa.ColumnElement[bool]]:
    """Not EXISTS: SQLite would read all turns of that status, say, once for each session."""
    conditions = wanted.conditions()
    if not conditions:
        return []
    return [sessions.c.session_id.in_(sa.select(turns.c.session_id).where(*conditions))]


@cache
def _remember(insert: Callable[[sa.Table], Insert]) -> Insert:
    insertion = insert(deleted_sessions).values(deleted_at=db_now())
    return insertion.on_conflict_do_update(
        index_elements=["session_id"], set_={"last_turn": insertion.excluded.last_turn, "deleted_at": db_now()}
    )


def last_deleted(connection: sa.Connection, session_id: str) -> int:
    """The last number that was given to a turn of a deleted session of this name; 0: to none."""
    found: int | None = connection.execute(_LAST_DELETED, {"of_session": session_id}).scalar_one_or_none()
    return found or 0


def unknown_session(session_id: str) -> NotFound:
    return NotFound(f"there is no session {session_id!r}")
