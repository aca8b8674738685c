"""The tables. Times are seconds since 1970 by the database's own clock, so that machines' clocks are never compared."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.functions import GenericFunction

metadata = sa.MetaData()

ACTIVE = ("queued", "running")
"""Statuses of a turn that is not finished, of which a session has one at most; those that come after it are `waiting`.
The others are `done` and `error`."""

_NULLABLE_JSON = sa.JSON(none_as_null=True)

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

deleted_sessions = sa.Table(  # for a while: the numbers of what they had are not given again
    "deleted_sessions",
    metadata,
    sa.Column("session_id", sa.String(128), primary_key=True),
    sa.Column("last_turn", sa.Integer, nullable=False),
    sa.Column("last_seq", sa.Integer, nullable=False),  # of its narrator's events
    sa.Column("deleted_at", sa.Double, nullable=False),
    sa.Index("deleted_sessions_by_age", "deleted_at"),
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
    sa.Column("input", _NULLABLE_JSON),  # NULL: `message` after the session's history
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("replaces", sa.Integer),
    sa.Column("tape", sa.LargeBinary),
    sa.Column("finish_reason", sa.String(32)),
    sa.Column("input_tokens", sa.Integer),
    sa.Column("output_tokens", sa.Integer),
    sa.Column("served_model", sa.String(200)),  # by the word of the model's service
    sa.Column("provider", sa.String(32)),  # that has answered
    sa.Column("raw_finish_reason", sa.String(64)),  # by the word of the model's service
    sa.Column("cached_tokens", sa.Integer),
    sa.Column("reasoning_tokens", sa.Integer),
    sa.Column("cost", sa.Double),  # US dollars, of all tries, as far as it is known
    sa.Column("tries", _NULLABLE_JSON),  # NULL: one at most, which did not fail, of the turn's own model
    sa.Column("origin", sa.Integer),  # the attempt with which the tape began; NULL: the last one
    sa.Column("upstream", _NULLABLE_JSON),  # an answer that its service still has, and how it is asked for
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("queued_at", sa.Double),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("claimed_at", sa.Double),  # this and the next two: of the last attempt
    sa.Column("asked_at", sa.Double),
    sa.Column("first_token_at", sa.Double),
    sa.Column("reasoning_seconds", sa.Double),
    sa.Column("part_ends", sa.LargeBinary),  # where the worker's parts ended
    sa.Column("goal_id", sa.String(128)),
    sa.Column("work_item_id", sa.String(128)),
    sa.Column("run_id", sa.String(128)),
    sa.Column("metadata", _NULLABLE_JSON),  # the caller's own few labels
    sa.Column("request_id", sa.String(128)),
    sa.Column("trace_context", _NULLABLE_JSON),  # {"traceparent": …, "tracestate": …} (W3C)
    sa.Column("queue", sa.String(32)),  # of its jobs; NULL: the default one
    sa.Column("message_id", sa.String(128)),  # the client's own, by which a message that is sent again is known
)

# The database itself holds the rule that one turn of a session runs at a time. The index is of the ACTIVE ones alone,
# which only the first migration says: a condition here would load the dialects of both databases.
sa.Index("one_active_turn", turns.c.session_id, unique=True)
sa.Index("turns_by_message", turns.c.session_id, turns.c.message_id)  # of those that have one
sa.Index("turns_by_end", turns.c.finished_at)
sa.Index("turns_by_status", turns.c.status, turns.c.created_at)  # a partial one is of no use to `status = ?`
sa.Index("turns_by_creation", turns.c.created_at)
sa.Index("turns_of_goal", turns.c.goal_id, turns.c.created_at)  # of those that have one: the others cost nothing here


def _of_turn() -> tuple[sa.Column[Any], sa.Column[Any], sa.ForeignKeyConstraint]:
    """The first columns of a table with rows for each turn."""
    return (
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
        sa.ForeignKeyConstraint(["session_id", "turn"], ["turns.session_id", "turns.turn"], ondelete="CASCADE"),
    )


turn_steps = sa.Table(  # passes through the model that have called tools, each stored before its calls are made
    "turn_steps",
    metadata,
    *_of_turn(),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),  # 1, 2, … in its turn
    sa.Column("parts", sa.LargeBinary, nullable=False),  # what the model has said, its calls among it
    sa.Column("usage", _NULLABLE_JSON),
    sa.Column("cost", sa.Double),  # US dollars, if it is known
)

tool_calls = sa.Table(
    "tool_calls",
    metadata,
    *_of_turn(),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1, 2, … in its step
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # planned | running | done
    sa.Column("attempt", sa.Integer),  # that has begun it last; NULL: none has
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("done_as", sa.Integer),  # 1, 2, … as the calls of the step came to their results
    sa.Column("result", sa.LargeBinary),  # the part that the tape has of it
)

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("process_id", sa.String(128), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),  # worker | api | python
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("version", sa.String(32)),  # NULL: of a release that did not tell it
    sa.Column("format", sa.Integer),  # see core.version; NULL: 1
    sa.Column("beat", sa.BigInteger),  # the number of its last heartbeat among all; NULL: of a release without numbers
    sa.Column("circuits", _NULLABLE_JSON),  # models that it does not ask for a while, with the state of each
    sa.Column("engines", _NULLABLE_JSON),  # models of its machine's own engine, with the state of each
)

schema_marks = sa.Table(
    "schema_marks",
    metadata,
    # The least revision whose code can run on this schema, in the only row; what it is for stands in `migrate`.
    sa.Column("oldest_code", sa.String(32), nullable=False),
    sa.Column("store_id", sa.String(32)),  # random, made with the database; the jobs of its turns carry it
)

controllers = sa.Table(
    "controllers",
    metadata,
    sa.Column("key_name", sa.String(32), primary_key=True),  # of the API key that it belongs to; '' without keys
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("agent_id", sa.String(64)),  # that answers in its name; NULL: whoever holds the lease
    sa.Column("lease_id", sa.String(64)),  # NULL: it was given back
    sa.Column("epoch", sa.Integer, nullable=False),  # one more with each lease, for as long as the row is kept
    sa.Column("holder", sa.String(160)),  # the connection that messages go to, and its API process
    sa.Column("ttl_seconds", sa.Double, nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)

narrator_events = sa.Table(
    "narrator_events",
    metadata,
    sa.Column("event_id", sa.Integer, primary_key=True),
    sa.Column(
        "session_id",
        sa.String(128),
        sa.ForeignKey("sessions.session_id", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("seq", sa.Integer, nullable=False),  # 1, 2, … in its session
    sa.Column("type", sa.String(32), nullable=False),  # USER_MESSAGE | NARRATION | ERROR
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("controller", sa.String(64), nullable=False),
    sa.Column("epoch", sa.Integer),  # of its lease; NULL: an agent answers without one
    sa.Column("message_id", sa.String(128)),  # the client's own, by which a message that is sent again is known
    sa.Column("workspace_id", sa.String(128)),
    sa.Column("answers", sa.Integer),  # the event that it is the answer to
    sa.Column("turn", sa.Integer),  # of its session, by which an agent has answered
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("narrator_events_in_order", "session_id", "seq", unique=True),
    sa.Index("narrator_events_by_message", "session_id", "message_id", unique=True),
    sa.Index("narrator_events_by_answer", "answers", unique=True),
    sa.Index("narrator_events_by_time", "at"),
    sqlite_autoincrement=True,  # else the ids of events that were deleted would be given again
)

spent_tickets = sa.Table(
    "spent_tickets",
    metadata,
    sa.Column("ticket_id", sa.String(32), primary_key=True),
    sa.Column("spent_at", sa.Double, nullable=False),
    sa.Index("spent_tickets_by_age", "spent_at"),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("agent_id", sa.String(64), primary_key=True),
    sa.Column("key_name", sa.String(32)),  # of the API key that it belongs to; NULL: the operator's
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("system_prompt", sa.Text, nullable=False),
    sa.Column("markdown_context", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("tools", sa.JSON, nullable=False),
    sa.Column("document", sa.Text),  # the file that it was imported from, for what only files have
    sa.Column("revision", sa.String(16), nullable=False),  # random, another one with each change
)


class db_now(GenericFunction[float]):
    """The database's clock, in seconds since 1970; how to ask for it is in each `database` module."""

    type = sa.Double()
    inherit_cache = True


class json_member(GenericFunction[str]):
    """The text that a JSON object has under a name, or NULL; how to ask for it is in each `database` module."""

    type = sa.Text()
    inherit_cache = True


class first_bytes(GenericFunction[bytes]):
    """So many of a text, which may cut its last character."""

    type = sa.LargeBinary()
    inherit_cache = True
