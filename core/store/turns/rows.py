"""Turns as rows of `turns`, in both directions.

A database's driver takes longer for a column than for its value: what is known is not read back.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from core.model.context import RequestContext
from core.model.events import Done, End, Failed
from core.store.schema import turns
from core.store.turns.records import Earlier, Labels, NewTurn, Turn

_OF_AN_END = (
    "tape",
    "part_ends",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "served_model",
    "provider",
    "raw_finish_reason",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "tries",
    "origin",
    "error_code",
    "error_message",
    "asked_at",
    "first_token_at",
    "reasoning_seconds",
    "finished_at",
)
WHILE_IT_RUNS = tuple(column for column in turns.c if column.name not in _OF_AN_END)
"""The columns that have a value before a turn ends."""


def read_turn(row: sa.Row[Any], earlier: Sequence[Earlier] = ()) -> Turn:
    """Of a statement that returns all columns of `turns`, or those of a turn that runs."""
    return turn_of(dict(zip(row._fields, row, strict=True)), earlier)


def turn_of(values: dict[str, Any], earlier: Sequence[Earlier] = ()) -> Turn:
    """`values` by column; they are used up."""
    labels = take_labels(values)
    context = read_context(values.pop("request_id"), values.pop("trace_context"))
    return Turn(**values, labels=labels, context=context, earlier=list(earlier))


def take_labels(values: dict[str, Any]) -> Labels:
    return Labels(values.pop("goal_id"), values.pop("work_item_id"), values.pop("run_id"), values.pop("metadata") or {})


def beginning(message: str, chars: int) -> str:
    """On one line."""
    return " ".join(message.split())[:chars]


def read_context(request_id: str | None, trace_context: dict[str, str] | None) -> RequestContext:
    return RequestContext(request_id or "", trace_context or {})


def row_of(new: NewTurn, number: int, *, waits: bool = False) -> dict[str, Any]:
    """The values of a new turn, all but its times."""
    runs = new.mode == "direct" and not waits
    return {
        "session_id": new.session_id,
        "turn": number,
        "mode": new.mode,
        "status": "waiting" if waits else "running" if runs else "queued",
        "attempt": 1 if runs else 0,
        "lost_attempts": 0,
        "cancel_requested": False,
        "owner": new.owner,
        "model": new.model,
        "message": new.message,
        "input": new.input,
        "options": new.options,
        "replaces": new.replaces,
        "goal_id": new.labels.goal_id,
        "work_item_id": new.labels.work_item_id,
        "run_id": new.labels.run_id,
        "metadata": new.labels.metadata or None,
        "request_id": new.context.request_id or None,
        "trace_context": new.context.trace or None,
        "queue": new.queue,
        "message_id": new.message_id,
    }


def ending(end: End) -> dict[str, Any]:
    """What a turn's end sets, all but its time and its answer."""
    match end:
        case Done():
            usage = end.usage
            return {
                "status": "done",
                "finish_reason": _fit(end.finish_reason, turns.c.finish_reason),
                "input_tokens": usage.input_tokens if usage else None,
                "output_tokens": usage.output_tokens if usage else None,
                "cached_tokens": usage.cached_tokens if usage else None,
                "reasoning_tokens": usage.reasoning_tokens if usage else None,
                "served_model": end.model and _fit(end.model, turns.c.served_model),
                "provider": end.provider,
                "raw_finish_reason": end.raw_finish_reason and _fit(end.raw_finish_reason, turns.c.raw_finish_reason),
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
