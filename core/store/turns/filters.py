"""Filters: which turns are looked for, in the words of those who look."""

from typing import Literal

import msgspec
import sqlalchemy as sa

from core.store.schema import ACTIVE, json_member, turns

State = Literal["waiting", "queued", "running", "done", "error", "cancelled"]
"""A status, of which `done` is told from `cancelled`."""

_COLUMNS = ("goal_id", "work_item_id", "run_id", "session_id", "model")


class TurnFilter(msgspec.Struct, frozen=True):
    """Whatever is asked has to be so, all of it. None, or nothing, asks for nothing."""

    goal_id: str | None = None
    work_item_id: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    model: str | None = None
    """That was asked for."""
    states: frozenset[State] = frozenset()
    """One of these."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Names and values."""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """For queries of `turns`; none where it asks for nothing."""
        values = {name: getattr(self, name) for name in _COLUMNS}
        found = [turns.c[name] == value for name, value in values.items() if value is not None]
        found += [json_member(turns.c.metadata, name) == value for name, value in self.metadata]
        if self.states:
            found.append(_is_one_of(self.states))
        return found


ANY_TURN = TurnFilter()


_IS_CANCELLED = (turns.c.status == "done") & (turns.c.finish_reason == "cancelled")
_IS_DONE = (turns.c.status == "done") & (turns.c.finish_reason != "cancelled")
_STATE = sa.case((_IS_CANCELLED, "cancelled"), else_=turns.c.status)


def _is_one_of(states: frozenset[State]) -> sa.ColumnElement[bool]:
    """By the index of statuses where that leads to few. Most turns are finished: SQLite would gather and sort all of
    them for one page."""
    if len(states) > 1 and not states.issubset(ACTIVE):
        return _STATE.in_(sorted(states))
    return sa.or_(*(_is(state) for state in sorted(states)))


def _is(state: State) -> sa.ColumnElement[bool]:
    match state:
        case "done":
            return _IS_DONE
        case "cancelled":
            return _IS_CANCELLED
        case _:
            return turns.c.status == state
