"""The tables. Times are seconds since 1970 by the database's own clock, so that machines' clocks are never compared."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from core.model.keys import TurnKey

metadata = sa.MetaData()

ACTIVE = ("queued", "running")
"""Statuses of a turn that is not finished; the others are `done` and `error`."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session_id", sa.String(128), primary_key=True),
    sa.Column("key_name", sa.String(32)),  # of the API key that made it; NULL: made while there were none
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("last_turn", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("sessions_by_update", "updated_at"),
    sa.Index("sessions_of_key", "key_name", "updated_at"),
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column(
        "session_id",
        sa.String(128),
        sa.ForeignKey("sessions.session_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(128)),
    sa.Column("lost_attempts", sa.Integer, nullable=False),  # that ended by a silent owner or a dropped answer
    sa.Column("handed_over", sa.Integer),  # the last attempt that a stopping worker gave away
    sa.Column("dropped", sa.Integer),  # the last attempt that the model's service broke off
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("replaces", sa.Integer),
    sa.Column("tape", sa.LargeBinary),
    sa.Column("finish_reason", sa.String(32)),
    sa.Column("input_tokens", sa.Integer),
    sa.Column("output_tokens", sa.Integer),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("queued_at", sa.Double),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
)

# The database itself holds the rule that one turn of a session runs at a time.
_active = turns.c.status.in_(ACTIVE)
sa.Index("one_active_turn", turns.c.session_id, unique=True, sqlite_where=_active, postgresql_where=_active)
sa.Index("turns_by_end", turns.c.finished_at)
sa.Index("turns_by_status", turns.c.status, turns.c.created_at)  # a partial one is of no use to `status = ?`

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("process_id", sa.String(128), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),  # worker | api
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
)

spent_tickets = sa.Table(
    "spent_tickets",
    metadata,
    sa.Column("ticket_id", sa.String(32), primary_key=True),
    sa.Column("spent_at", sa.Double, nullable=False),
    sa.Index("spent_tickets_by_age", "spent_at"),
)


SQLITE_CLOCK = "hopstream_now"
"""SQLite's own clock counts milliseconds, in which several turns are queued; each connection gets this function."""


class db_now(GenericFunction[float]):
    """The database's clock, in seconds since 1970."""

    type = sa.Double()
    inherit_cache = True


@compiles(db_now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(db_now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return f"{SQLITE_CLOCK}()"


IS_TURN = (turns.c.session_id == sa.bindparam("of_session")) & (turns.c.turn == sa.bindparam("of_turn"))
"""Statements are built once: that takes longer than to run them. The parameters of this condition are `of(key)`."""


def of(key: TurnKey) -> dict[str, Any]:
    return {"of_session": key.session_id, "of_turn": key.turn}
