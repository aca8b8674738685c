"""Turns: create, read, cancel. Who may run and end a turn is in `ownership`."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from core.errors import NotFound, ReplaceConflict, TurnRunning
from core.keys import TurnKey
from core.store.carried_through import carried_through
from core.store.database import Database
from core.store.reach import EVERYTHING, Reach
from core.store.records import Exchange, NewTurn, Status, Turn
from core.store.schema import db_now, is_turn, sessions, turns
from core.store.sessions import unknown_session
from core.tape import Tape

TITLE_CHARS = 80
"""A session is listed under the beginning of its first message."""
HISTORY_TURNS = 200
"""No prompt looks further back, whatever its character budget."""


@carried_through
class Turns:
    def __init__(self, database: Database, reach: Reach = EVERYTHING) -> None:
        self._database = database
        self._reach = reach

    async def create(self, new: NewTurn) -> Turn:
        """Insert the session's next turn, and the session if it is its first.

        Raises TurnRunning, ReplaceConflict, and NotFound where the session is out of reach.
        """
        try:
            async with self._database.begin() as connection:
                number = await self._next_number(connection, new)
                if new.replaces is not None and new.replaces != number - 1:
                    raise ReplaceConflict(
                        f"turn {new.replaces} is not the latest of the session; that is turn {number - 1}"
                    )
                rows = await connection.execute(_insert_turn(new, number))
                return Turn(**rows.mappings().one())
        except IntegrityError as error:
            raise TurnRunning(
                f"session {new.session_id!r} has a turn that is not finished; wait for it or cancel it"
            ) from error

    async def get(self, key: TurnKey) -> Turn:
        """Raises NotFound."""
        async with self._database.begin() as connection:
            rows = await connection.execute(sa.select(turns).where(is_turn(key), self._in_reach))
            row = rows.mappings().one_or_none()
        if row is None:
            raise NotFound(f"session {key.session_id!r} has no turn {key.turn}")
        return Turn(**row)

    async def latest(self, session_id: str) -> Turn:
        """Raises NotFound."""
        query = (
            sa.select(turns)
            .where(turns.c.session_id == session_id, self._in_reach)
            .order_by(turns.c.turn.desc())
            .limit(1)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise unknown_session(session_id)
        return Turn(**row)

    async def of_session(self, session_id: str) -> list[Turn]:
        """All turns of a session in order."""
        query = sa.select(turns).where(turns.c.session_id == session_id, self._in_reach).order_by(turns.c.turn)
        async with self._database.begin() as connection:
            return [Turn(**row) for row in (await connection.execute(query)).mappings()]

    async def history(self, key: TurnKey) -> list[Exchange]:
        """Earlier turns that have an answer and were not replaced, oldest first."""
        if key.turn == 1:
            return []
        other = turns.alias()
        replaced = sa.select(other.c.replaces).where(
            other.c.session_id == key.session_id, other.c.replaces.is_not(None), other.c.turn <= key.turn
        )
        query = (
            sa.select(turns.c.message, turns.c.tape)
            .where(
                turns.c.session_id == key.session_id,
                turns.c.turn < key.turn,
                turns.c.tape.is_not(None),
                turns.c.turn.not_in(replaced),
            )
            .order_by(turns.c.turn.desc())
            .limit(HISTORY_TURNS)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        exchanges = [Exchange(row.message, Tape.decode(row.tape).text()) for row in reversed(rows)]
        return [exchange for exchange in exchanges if exchange.answer]

    async def queued(self) -> list[TurnKey]:
        """The turns that wait for a worker, in order: the first is next."""
        query = (
            sa.select(turns.c.session_id, turns.c.turn).where(turns.c.status == "queued").order_by(turns.c.created_at)
        )
        async with self._database.begin() as connection:
            return [TurnKey(*row) for row in await connection.execute(query)]

    async def count_queued(self) -> int:
        query = sa.select(sa.func.count()).where(turns.c.status == "queued")
        async with self._database.begin() as connection:
            return (await connection.execute(query)).scalar_one()

    async def position(self, turn: Turn) -> int:
        """Place in the queue of a turn that waits: 1 is next."""
        ahead = sa.select(sa.func.count()).where(turns.c.status == "queued", turns.c.created_at < turn.created_at)
        async with self._database.begin() as connection:
            return (await connection.execute(ahead)).scalar_one() + 1

    async def statuses(self, keys: Iterable[TurnKey]) -> dict[TurnKey, Status]:
        """Of those turns that exist."""
        wanted = sa.tuple_(turns.c.session_id, turns.c.turn).in_([tuple(key) for key in keys])
        query = sa.select(turns.c.session_id, turns.c.turn, turns.c.status).where(wanted)
        async with self._database.begin() as connection:
            rows = await connection.execute(query)
            return {TurnKey(row.session_id, row.turn): row.status for row in rows}

    async def request_cancel(self, session_id: str) -> Turn:
        """Ask that the latest turn ends; one that is still queued ends here. Idempotent. Raises NotFound."""
        latest = sa.select(sa.func.max(turns.c.turn)).where(turns.c.session_id == session_id).scalar_subquery()
        here = (turns.c.session_id == session_id) & (turns.c.turn == latest) & self._in_reach
        async with self._database.begin() as connection:
            await connection.execute(
                sa.update(turns)
                .where(here, turns.c.status == "queued")
                .values(status="done", finish_reason="cancelled", cancel_requested=True, finished_at=db_now())
            )
            await connection.execute(
                sa.update(turns).where(here, turns.c.status == "running").values(cancel_requested=True)
            )
        return await self.latest(session_id)

    async def discard(self, key: TurnKey) -> bool:
        """Take back a turn whose job could not be queued, as if it had never been asked for.

        False where a worker has it all the same: the job did get through, or a sweep has found the turn.
        """
        async with self._database.begin() as connection:
            deleted = await connection.execute(sa.delete(turns).where(is_turn(key), turns.c.status == "queued"))
            if not deleted.rowcount:
                return False
            here = sessions.c.session_id == key.session_id
            if key.turn == 1:
                await connection.execute(sa.delete(sessions).where(here))
            else:
                await connection.execute(sa.update(sessions).where(here).values(last_turn=key.turn - 1))
            return True

    async def _next_number(self, connection: AsyncConnection, new: NewTurn) -> int:
        """A write comes first, so that two requests of one session wait for one another in either database."""
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        upsert = (
            insert(sessions)
            .values(
                session_id=new.session_id,
                key_name=self._reach.key_name,
                title=" ".join(new.message.split())[:TITLE_CHARS],
                last_turn=1,
                created_at=db_now(),
                updated_at=db_now(),
            )
            .on_conflict_do_update(
                index_elements=["session_id"],
                set_={"last_turn": sessions.c.last_turn + 1, "updated_at": db_now()},
                where=self._reach.has_session(),
            )
            .returning(sessions.c.last_turn)
        )
        number: int | None = (await connection.execute(upsert)).scalar_one_or_none()
        if number is None:
            raise unknown_session(new.session_id)
        return number

    @property
    def _in_reach(self) -> sa.ColumnElement[bool]:
        return self._reach.has(turns.c.session_id)


def _insert_turn(new: NewTurn, number: int) -> Executable:
    direct = new.mode == "direct"
    return (
        sa.insert(turns)
        .values(
            session_id=new.session_id,
            turn=number,
            mode=new.mode,
            status="running" if direct else "queued",
            attempt=1 if direct else 0,
            lost_attempts=0,
            owner=new.owner,
            cancel_requested=False,
            model=new.model,
            message=new.message,
            options=new.options,
            replaces=new.replaces,
            created_at=db_now(),
            queued_at=None if direct else db_now(),
            started_at=db_now() if direct else None,
        )
        .returning(*turns.c)
    )
