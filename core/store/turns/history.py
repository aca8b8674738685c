"""History: what was said in a session before a turn. Whoever takes a turn gets it in the same transaction: to ask for
it later would keep the model waiting once more."""

import sqlalchemy as sa

from core.model.keys import TurnKey
from core.store.schema import turns
from core.store.turns.conditions import of
from core.store.turns.records import Earlier

HISTORY_TURNS = 200
"""No prompt looks further back, whatever its character budget."""

_other = turns.alias()
_EARLIER = (
    sa.select(turns.c.message, turns.c.tape)
    .where(
        turns.c.session_id == sa.bindparam("of_session"),
        turns.c.turn < sa.bindparam("of_turn"),
        turns.c.tape.is_not(None),
        turns.c.turn.not_in(
            sa.select(_other.c.replaces).where(
                _other.c.session_id == sa.bindparam("of_session"),
                _other.c.replaces.is_not(None),
                _other.c.turn <= sa.bindparam("of_turn"),
            )
        ),
    )
    .order_by(turns.c.turn.desc())
    .limit(HISTORY_TURNS)
)


def read_earlier(connection: sa.Connection, key: TurnKey) -> list[Earlier]:
    """Turns that have an answer and were not replaced, oldest first."""
    if key.turn == 1:
        return []
    return [Earlier(*row) for row in reversed(connection.execute(_EARLIER, of(key)).all())]
