"""Waiting turns: those that came while their session had one that was not finished. They run one after the other, in
the order in which they came."""

from typing import Any

import sqlalchemy as sa

from core.model.errors import ConversationBusy, TurnRunning
from core.model.keys import TurnKey
from core.store.database.base import Database
from core.store.schema import ACTIVE, db_now, sessions, turns
from core.store.turns.conditions import IS_ACTIVE, IS_TURN, IS_WAITING, of
from core.store.turns.history import read_earlier
from core.store.turns.records import NewTurn, Turn
from core.store.turns.rows import WHILE_IT_RUNS, read_turn

MOST_WAITING = 8
"""In one session: more than a person types ahead, and too few for a script to fill a database with."""

_OF_SESSION = turns.c.session_id == sa.bindparam("of_session")
_BY_MESSAGE = sa.select(turns.c.turn).where(_OF_SESSION, turns.c.message_id == sa.bindparam("by_message"))
_COUNT_UNFINISHED = sa.select(sa.func.count()).where(_OF_SESSION, turns.c.status.in_(("waiting", *ACTIVE)))
HOLD_SESSION = (
    sa.update(sessions)
    .where(sessions.c.session_id == sa.bindparam("of_session"))
    .values(updated_at=sessions.c.updated_at)
)
"""A write that changes nothing: whoever else writes for the session waits for the transaction's end."""
_NEXT = (
    sa.select(turns.c.turn, turns.c.mode, turns.c.owner, turns.c.status)
    .where(_OF_SESSION, IS_ACTIVE | IS_WAITING)
    .order_by(IS_WAITING, turns.c.turn)
    .limit(1)
)
_start = sa.update(turns).where(IS_TURN, IS_WAITING).returning(*WHILE_IT_RUNS)
_QUEUE = _start.values(status="queued", queued_at=db_now())
_RUN = _start.values(status="running", attempt=1, started_at=db_now(), claimed_at=db_now())

_others = turns.alias("others")
_STARTABLE: sa.Select[Any] = (
    sa.select(turns.c.session_id)
    .where(
        IS_WAITING,
        ~sa.exists().where(_others.c.session_id == turns.c.session_id, _others.c.status.in_(ACTIVE)),
    )
    .distinct()
)


class KnownMessage(Exception):
    """The message has a turn already."""

    def __init__(self, key: TurnKey) -> None:
        super().__init__(str(key))
        self.key = key


def turn_running(session_id: str) -> TurnRunning:
    return TurnRunning(f"session {session_id!r} has a turn that is not finished; wait for it or cancel it")


def refuse_known_message(connection: sa.Connection, new: NewTurn) -> None:
    """Of a session that the transaction holds. Raises KnownMessage."""
    if new.message_id is None:
        return
    asked = {"of_session": new.session_id, "by_message": new.message_id}
    known = connection.execute(_BY_MESSAGE, asked).scalar_one_or_none()
    if known is not None:
        raise KnownMessage(TurnKey(new.session_id, known))


def count_before(connection: sa.Connection, new: NewTurn) -> int:
    """How many turns of its session a new one has to wait for. Raises ConversationBusy, or TurnRunning where it may
    not wait."""
    before: int = connection.execute(_COUNT_UNFINISHED, {"of_session": new.session_id}).scalar_one()
    if before and not new.may_wait:
        raise turn_running(new.session_id)
    if before > MOST_WAITING:
        raise ConversationBusy(f"{MOST_WAITING} messages of this conversation wait already; wait for an answer")
    return before


class WaitingTurns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def startable(self) -> list[str]:
        """Sessions whose next turn waits for nothing any more."""
        return [row.session_id for row in await self._database.rows(_STARTABLE)]

    async def start_next(self, session_id: str, process_id: str) -> Turn | None:
        """The session's next turn, which is queued from now on, or, in direct mode, run by this process. None where
        there is none, where another one is not finished yet, and where another process is to run it."""

        def start(connection: sa.Connection) -> Turn | None:
            asked = {"of_session": session_id}
            connection.execute(HOLD_SESSION, asked)  # so that one process at a time decides
            found = connection.execute(_NEXT, asked).one_or_none()
            if found is None or found.status != "waiting":
                return None
            is_direct = found.mode == "direct"
            if is_direct and found.owner != process_id:
                return None
            key = TurnKey(session_id, found.turn)
            row = connection.execute(_RUN if is_direct else _QUEUE, of(key)).one_or_none()
            if row is None:
                return None
            return read_turn(row, read_earlier(connection, key) if is_direct else [])

        return await self._database.run(start)
