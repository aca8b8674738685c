"""History: what was said in a session before a turn. Whoever takes a turn gets it in the same transaction: to ask for
it later would keep the model waiting once more."""

from typing import Any

import sqlalchemy as sa

from core.model.keys import TurnKey
from core.store.schema import turns
from core.store.turns.conditions import of
from core.store.turns.records import Earlier

HISTORY_TURNS = 200
"""No prompt looks further back, whatever its character budget."""

_UP_TO = (
    sa.select(turns.c.turn, turns.c.replaces, turns.c.status, turns.c.finish_reason, turns.c.message, turns.c.tape)
    .where(turns.c.session_id == sa.bindparam("of_session"), turns.c.turn <= sa.bindparam("of_turn"))
    .order_by(turns.c.turn.desc())
    .limit(HISTORY_TURNS + 1)
)


def read_earlier(connection: sa.Connection, key: TurnKey) -> list[Earlier]:
    """Turns that have an answer, oldest first. Of several versions of an answer the newest that is whole, if there is
    one: what failed or was stopped takes no good answer away."""
    if key.turn == 1:
        return []
    firsts: dict[int, int] = {}
    versions: dict[int, list[sa.Row[Any]]] = {}
    for row in reversed(connection.execute(_UP_TO, of(key)).all()):
        first = firsts[row.turn] = firsts.get(row.replaces, row.turn)
        versions.setdefault(first, []).append(row)
    versions.pop(firsts[key.turn], None)  # the turn itself, and what it replaces
    chosen = [next(filter(_is_whole, reversed(rows)), rows[-1]) for rows in versions.values()]
    return [Earlier(row.message, row.tape) for row in chosen if row.tape is not None]


def _is_whole(row: sa.Row[Any]) -> bool:
    return bool(row.status == "done" and row.finish_reason != "cancelled")
