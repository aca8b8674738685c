"""What queries ask of a turn. Statements are built once: that takes longer than to run them."""

from typing import Any

import sqlalchemy as sa

from core.model.keys import TurnKey
from core.store.liveness import alive
from core.store.schema import ACTIVE, turns

IS_TURN = (turns.c.session_id == sa.bindparam("of_session")) & (turns.c.turn == sa.bindparam("of_turn"))
"""The parameters of this condition are `of(key)`."""
IS_WAITING = turns.c.status == "waiting"
IS_QUEUED = turns.c.status == "queued"
IS_RUNNING = turns.c.status == "running"
IS_ACTIVE = sa.or_(*(turns.c.status == status for status in ACTIVE))
IS_UNFINISHED = IS_ACTIVE | IS_WAITING
IS_OF_QUEUE = turns.c.queue.is_not_distinct_from(sa.bindparam("of_queue", type_=sa.String))
"""Its parameter: the name of the queue, None for the default one."""
IS_ORPHANED = turns.c.owner.is_(None) | turns.c.owner.not_in(alive())
"""No process that is alive runs it."""
IS_OWN = (
    IS_TURN
    & IS_RUNNING
    & (turns.c.attempt == sa.bindparam("own_attempt"))
    & (turns.c.owner == sa.bindparam("own_process"))
)
"""The attempt is still its process's own. The parameters are `own_by(...)`."""


def of(key: TurnKey) -> dict[str, Any]:
    return {"of_session": key.session_id, "of_turn": key.turn}


def own_by(key: TurnKey, attempt: int, process_id: str) -> dict[str, Any]:
    return {**of(key), "own_attempt": attempt, "own_process": process_id}
