"""Sessions: list, show, delete."""

import sqlalchemy as sa

from core.model.errors import NotFound
from core.store.database.base import Database
from core.store.deleted_sessions import remember
from core.store.reach import EVERYTHING, Reach
from core.store.schema import sessions, turns
from core.store.turns.filters import ANY_TURN, TurnFilter
from core.store.turns.records import Session
from core.store.turns.waiting import HOLD_SESSION

_counted = turns.alias("counted")
_SELECT = sa.select(
    sessions.c.session_id,
    sessions.c.title,
    sa.select(sa.func.count()).where(_counted.c.session_id == sessions.c.session_id).scalar_subquery().label("turns"),
    sessions.c.created_at,
    sessions.c.updated_at,
    turns.c.status,
).join(turns, (turns.c.session_id == sessions.c.session_id) & (turns.c.turn == sessions.c.last_turn))


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
        """Raises NotFound."""
        hold = HOLD_SESSION.where(self._reach.has_session())

        def delete(connection: sa.Connection) -> None:
            if not connection.execute(hold, {"of_session": session_id}).rowcount:
                raise unknown_session(session_id)
            remember(connection, self._database.insert, session_id)
            connection.execute(sa.delete(sessions).where(sessions.c.session_id == session_id))

        await self._database.run(delete)

    def _is(self, session_id: str) -> sa.ColumnElement[bool]:
        return (sessions.c.session_id == session_id) & self._reach.has_session()


def _has(wanted: TurnFilter) -> list[sa.ColumnElement[bool]]:
    """Not EXISTS: SQLite would read all turns of that status, say, once for each session."""
    conditions = wanted.conditions()
    if not conditions:
        return []
    return [sessions.c.session_id.in_(sa.select(turns.c.session_id).where(*conditions))]


def unknown_session(session_id: str) -> NotFound:
    return NotFound(f"there is no session {session_id!r}")
