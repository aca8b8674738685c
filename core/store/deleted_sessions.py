"""What deleted sessions leave behind for a while: the last numbers of their turns and of their narrators' events.

Another session of the same name goes on behind them, so that nothing of a deleted turn that is still under way, its end
or a write of its owner, is taken for another turn's.
"""

from collections.abc import Callable
from functools import cache

import sqlalchemy as sa

from core.store.database.base import Insert
from core.store.schema import db_now, deleted_sessions, narrator_events, sessions

KEPT_SECONDS = 86400.0
"""Far longer than anything of a deleted turn is under way: its job, its events, the process that answers it."""

_FORGET = sa.delete(deleted_sessions).where(deleted_sessions.c.deleted_at < db_now() - KEPT_SECONDS)
_is_of_name = deleted_sessions.c.session_id == sa.bindparam("of_session")
_LAST_TURN = sa.select(deleted_sessions.c.last_turn).where(_is_of_name)
LAST_SEQ = sa.select(deleted_sessions.c.last_seq).where(_is_of_name).scalar_subquery()
"""As part of another statement; NULL where there was none."""


def last_turn(connection: sa.Connection, session_id: str) -> int:
    """The last number that a deleted session of this name has given; 0: none. To be asked once the transaction holds
    the session: a deletion may have gone before it."""
    found: int | None = connection.execute(_LAST_TURN, {"of_session": session_id}).scalar_one_or_none()
    return found or 0


def remember(connection: sa.Connection, insert: Callable[[sa.Table], Insert], session_id: str) -> None:
    """Before a session is deleted, which the transaction holds."""
    connection.execute(_FORGET)
    connection.execute(_remember(insert), {"of_session": session_id})


@cache
def _remember(insert: Callable[[sa.Table], Insert]) -> Insert:
    last_seq = sa.func.coalesce(sa.func.max(narrator_events.c.seq), 0)
    numbers = sa.select(
        sessions.c.session_id,
        sessions.c.last_turn,
        sa.select(last_seq).where(narrator_events.c.session_id == sessions.c.session_id).scalar_subquery(),
        db_now(),
    ).where(sessions.c.session_id == sa.bindparam("of_session"))
    insertion = insert(deleted_sessions).from_select(["session_id", "last_turn", "last_seq", "deleted_at"], numbers)
    return insertion.on_conflict_do_update(
        index_elements=["session_id"],
        set_={
            "last_turn": _greater(insertion.excluded.last_turn, deleted_sessions.c.last_turn),
            "last_seq": _greater(insertion.excluded.last_seq, deleted_sessions.c.last_seq),
            "deleted_at": db_now(),
        },
    )


def _greater(new: sa.ColumnElement[int], old: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((new > old, new), else_=old)
