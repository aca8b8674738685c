"""Turns: create, read, cancel. Who may run and end a turn is in `ownership` and `orphans`."""

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from itertools import count

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from core.model.errors import NotFound, QueueFull, ReplaceConflict
from core.model.keys import TurnKey
from core.store.database.base import Database, Insert
from core.store.deleted_sessions import last_turn
from core.store.reach import EVERYTHING, Reach
from core.store.schema import ACTIVE, db_now, narrator_events, sessions, turns
from core.store.sessions import unknown_session
from core.store.turns.conditions import IS_OF_QUEUE, IS_QUEUED, IS_RUNNING, IS_TURN, IS_WAITING, of
from core.store.turns.filters import ANY_TURN, TurnFilter
from core.store.turns.history import read_earlier
from core.store.turns.pages import NEWEST, Bookmark, TurnPage, read_page
from core.store.turns.records import Cancelled, Created, NewTurn, Status, Turn
from core.store.turns.rows import beginning, read_turn, row_of, turn_of
from core.store.turns.waiting import HOLD_SESSION, KnownMessage, count_before, refuse_known_message, turn_running

TITLE_CHARS = 80
"""A session is listed under the beginning of its first message."""

_COUNT_QUEUED = sa.select(sa.func.count()).where(IS_QUEUED, IS_OF_QUEUE)


class _Statements:
    """Those that every turn needs, built once for each reach."""

    def __init__(self, reach: Reach, insert: Callable[[sa.Table], Insert]) -> None:
        in_reach = reach.has(turns.c.session_id)
        of_session = turns.c.session_id == sa.bindparam("of_session")
        self.get = sa.select(turns).where(IS_TURN, in_reach)
        self.latest = sa.select(turns).where(of_session, in_reach).order_by(turns.c.turn.desc()).limit(1)
        self.by_message = sa.select(turns).where(of_session, in_reach, turns.c.message_id == sa.bindparam("by_message"))
        self.of_session = sa.select(turns).where(of_session, in_reach).order_by(turns.c.turn)
        self.statuses = sa.select(turns.c.turn, turns.c.status).where(of_session, in_reach).order_by(turns.c.turn)
        # A write comes first, so that two requests of one session wait for one another in either database. It tells
        # how many turns are queued, too: one statement less.
        self.next_number = (
            insert(sessions)
            .values(key_name=reach.key_name, last_turn=1, created_at=db_now(), updated_at=db_now())
            .on_conflict_do_update(
                index_elements=["session_id"],
                set_={"last_turn": sessions.c.last_turn + 1, "updated_at": db_now()},
                where=reach.has_session(),
            )
            .returning(sessions.c.last_turn, _COUNT_QUEUED.scalar_subquery().label("queued"))
        )
        here = of_session & in_reach
        self.cancel_before_it_runs = (
            sa.update(turns)
            .where(here, IS_WAITING | IS_QUEUED)
            .values(status="done", finish_reason="cancelled", cancel_requested=True, finished_at=db_now())
            .returning(turns.c.turn)
        )
        self.cancel_running = (
            sa.update(turns).where(here, IS_RUNNING).values(cancel_requested=True).returning(turns.c.turn)
        )


_statements = cache(_Statements)

_COUNT_AHEAD = _COUNT_QUEUED.where(turns.c.created_at < sa.bindparam("at"))
_LIST_UNFINISHED = (
    sa.select(turns.c.session_id, turns.c.turn, turns.c.status, turns.c.queue)
    .where(turns.c.status.in_((*ACTIVE, "waiting")))
    .order_by(turns.c.created_at)
)
_TIMES = (turns.c.created_at, turns.c.queued_at, turns.c.started_at, turns.c.claimed_at)
_INSERT = sa.insert(turns).values(created_at=db_now()).returning(*_TIMES)
"""Only what the database knows better is read back."""
_INSERT_QUEUED = _INSERT.values(queued_at=db_now())
_INSERT_DIRECT = _INSERT.values(started_at=db_now(), claimed_at=db_now())
_DISCARD = sa.delete(turns).where(
    IS_TURN,
    IS_QUEUED,
    turns.c.message_id.is_(None),
    sa.exists().where(sessions.c.session_id == turns.c.session_id, sessions.c.last_turn == turns.c.turn),
)
_IS_SESSION = sessions.c.session_id == sa.bindparam("of_session")
_HAS_TURNS = sa.select(sa.exists().where(turns.c.session_id == sa.bindparam("of_session")))
_NUMBER = sa.update(sessions).where(_IS_SESSION).values(last_turn=sa.bindparam("number", type_=sa.Integer))
_DISCARD_EMPTY = sa.delete(sessions).where(
    _IS_SESSION,
    sessions.c.last_turn == 0,
    ~sa.exists().where(narrator_events.c.session_id == sessions.c.session_id),
)
"""A session of which there is nothing but its row."""


class Turns:
    def __init__(self, database: Database, reach: Reach = EVERYTHING) -> None:
        self._database = database
        self._reach = reach
        self._statements = _statements(reach, database.insert)

    async def create(self, new: NewTurn, max_queued: int | None = None) -> Created:
        """Insert the session's next turn, and the session if it is its first.

        `max_queued`: so many may wait before it in queue mode; requests that come together may exceed that by as many
        as they are. Raises TurnRunning, ReplaceConflict, QueueFull, ConversationBusy, and NotFound where the session is
        out of reach.
        """
        try:
            return await self._database.run(lambda connection: self._create(connection, new, max_queued))
        except KnownMessage as known:
            return Created(await self.get(known.key), 0, is_new=False)
        except IntegrityError as error:
            raise turn_running(new.session_id) from error

    async def get(self, key: TurnKey) -> Turn:
        """Raises NotFound."""
        row = await self._database.row(self._statements.get, **of(key))
        if row is None:
            raise NotFound(f"session {key.session_id!r} has no turn {key.turn}")
        return read_turn(row)

    async def latest(self, session_id: str) -> Turn:
        """Raises NotFound."""
        row = await self._database.row(self._statements.latest, of_session=session_id)
        if row is None:
            raise unknown_session(session_id)
        return read_turn(row)

    async def find(self, session_id: str, message_id: str) -> Turn | None:
        """What was asked with the client's own id."""
        row = await self._database.row(self._statements.by_message, of_session=session_id, by_message=message_id)
        return None if row is None else read_turn(row)

    async def of_session(self, session_id: str) -> list[Turn]:
        """All turns of a session in order."""
        rows = await self._database.rows(self._statements.of_session, of_session=session_id)
        return [read_turn(row) for row in rows]

    async def statuses(self, session_id: str) -> dict[int, Status]:
        """Of all turns of a session by their numbers, in order; empty where it has none."""
        rows = await self._database.rows(self._statements.statuses, of_session=session_id)
        return {row.turn: row.status for row in rows}

    async def page(
        self, limit: int, wanted: TurnFilter = ANY_TURN, *, before: Bookmark = NEWEST, text_chars: int = 0
    ) -> TurnPage:
        """Turns of all sessions, newest first, with the last `text_chars` characters of their answers."""
        in_reach = self._reach.has(turns.c.session_id)
        return await self._database.run_in_thread(
            lambda connection: read_page(connection, in_reach, wanted, limit, before, text_chars)
        )

    async def places(self) -> dict[TurnKey, int | None]:
        """Of all turns that are not finished: the place in the queue of those that are in it, 1 is next, and 0 of those
        that run; None of those that wait for another one of their session."""

        def places(connection: sa.Connection) -> dict[TurnKey, int | None]:
            found: dict[TurnKey, int | None] = {}
            queued: defaultdict[str | None, count[int]] = defaultdict(lambda: count(1))
            for session_id, turn, status, queue in connection.execute(_LIST_UNFINISHED):
                place = next(queued[queue]) if status == "queued" else 0
                found[TurnKey(session_id, turn)] = None if status == "waiting" else place
            return found

        return await self._database.run_in_thread(places)

    async def position(self, turn: Turn) -> int:
        """Place in the queue of a queued turn: 1 is next."""
        ahead: int = await self._database.value(_COUNT_AHEAD, at=turn.created_at, of_queue=turn.queue)
        return ahead + 1

    async def request_cancel(self, session_id: str, number: int | None = None) -> Cancelled:
        """Ask that a turn ends, or all of its session; those that do not run yet end here. Idempotent. Raises
        NotFound."""
        chosen = sa.true() if number is None else turns.c.turn == number

        def cancel(connection: sa.Connection) -> tuple[list[int], list[int]]:
            of_session = {"of_session": session_id}
            ended = connection.execute(self._statements.cancel_before_it_runs.where(chosen), of_session)
            running = connection.execute(self._statements.cancel_running.where(chosen), of_session)
            return sorted(row.turn for row in ended), [row.turn for row in running]

        ended, running = await self._database.run(cancel)
        ended_here = [await self.get(TurnKey(session_id, each)) for each in ended]
        asked_for = number or next(iter(running), None)
        if asked_for is None:
            turn = ended_here[0] if ended_here else await self.latest(session_id)
        else:
            turn = await self.get(TurnKey(session_id, asked_for))
        return Cancelled(turn, ended_here)

    async def discard(self, key: TurnKey) -> bool:
        """Take back a turn whose job could not be queued, as if it had never been asked for.

        False where a worker has it all the same: the job did get through, or a sweep has found the turn; and where a
        sweep is to find it: another one waits behind it, or its message, which may have come again, was confirmed.
        """

        def discard(connection: sa.Connection) -> bool:
            of_session = {"of_session": key.session_id}
            connection.execute(HOLD_SESSION, of_session)  # else another turn may come behind it meanwhile
            if not connection.execute(_DISCARD, of(key)).rowcount:
                return False
            is_left = connection.execute(_HAS_TURNS, of_session).scalar_one()
            connection.execute(_NUMBER, {**of_session, "number": key.turn - 1 if is_left else 0})
            connection.execute(_DISCARD_EMPTY, of_session)
            return True

        return await self._database.run(discard)

    def _create(self, connection: sa.Connection, new: NewTurn, max_queued: int | None) -> Created:
        number, queued = self._next_number(connection, new)
        is_first = number == 1
        if new.replaces is not None and (is_first or new.replaces != number - 1):
            latest = "it has none yet" if is_first else f"that is turn {number - 1}"
            raise ReplaceConflict(f"turn {new.replaces} is not the latest of the session; {latest}")
        if is_first and (last := last_turn(connection, new.session_id)):
            number = last + 1
            connection.execute(_NUMBER, {"of_session": new.session_id, "number": number})
        refuse_known_message(connection, new)
        before = 0 if is_first else count_before(connection, new)
        is_queued = new.mode == "queue"
        if is_queued and max_queued is not None and queued >= max_queued:
            raise QueueFull(queued, max_queued)
        values = row_of(new, number, waits=before > 0)
        insert = _INSERT if before else _INSERT_QUEUED if is_queued else _INSERT_DIRECT
        times = connection.execute(insert, values).one()
        is_answered_here = not (is_queued or before)
        earlier = read_earlier(connection, TurnKey(new.session_id, number)) if is_answered_here else []
        return Created(turn_of({**values, **times._mapping}, earlier), queued + 1, before)

    def _next_number(self, connection: sa.Connection, new: NewTurn) -> tuple[int, int]:
        """With how many turns are queued."""
        title = beginning(new.message, TITLE_CHARS)
        row = connection.execute(
            self._statements.next_number, {"session_id": new.session_id, "title": title, "of_queue": new.queue}
        )
        numbers = row.one_or_none()
        if numbers is None:
            raise unknown_session(new.session_id)
        return numbers.last_turn, numbers.queued
