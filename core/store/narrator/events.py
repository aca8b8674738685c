"""What the narrators of conversations are told, and what they tell: in each conversation 1, 2, … in the order in which
it was stored, behind those of a deleted conversation of its name."""

from collections.abc import Callable
from functools import cache
from typing import Any

import sqlalchemy as sa

from core.model.errors import NotFound
from core.store.database.base import Database, Insert
from core.store.deleted_sessions import LAST_SEQ
from core.store.narrator.controllers import Controllers, LeaseLost
from core.store.narrator.records import ControllerLease, EventType, NarratorEvent, NarratorLook, NewMessage, Posted
from core.store.reach import EVERYTHING, Reach
from core.store.schema import db_now, narrator_events, sessions
from core.store.sessions import unknown_session
from core.store.turns.rows import beginning
from core.store.turns.turns import TITLE_CHARS
from core.store.turns.waiting import HOLD_SESSION

LATE_SECONDS = 4.0
"""The time of an event is from before it was committed: so much later it may first be seen."""
USER = "user"
"""The source of what is posted."""

_OF_SESSION = narrator_events.c.session_id == sa.bindparam("of_session")
_LAST_SEQ = sa.func.coalesce(sa.func.max(narrator_events.c.seq), 0)
_NEXT_SEQ = sa.select(sa.func.coalesce(sa.func.max(narrator_events.c.seq), LAST_SEQ, 0) + 1).where(_OF_SESSION)
_INSERT = sa.insert(narrator_events).values(at=db_now()).returning(*narrator_events.c)
_KNOWN = sa.select(narrator_events).where(_OF_SESSION, narrator_events.c.message_id == sa.bindparam("by_message"))
_ANSWER = sa.select(narrator_events).where(narrator_events.c.answers == sa.bindparam("to_event"))
_NOW = sa.select(db_now())
_LOOK = (
    sa.select(narrator_events.c.session_id, sa.func.max(narrator_events.c.seq).label("seq"))
    .where(narrator_events.c.at > sa.bindparam("since"))
    .group_by(narrator_events.c.session_id)
)


class _Statements:
    """Those that depend on a reach, built once for each."""

    def __init__(self, reach: Reach, insert: Callable[[sa.Table], Insert]) -> None:
        in_reach = reach.has(narrator_events.c.session_id)
        # A write, which holds the session as HOLD_SESSION does.
        self.hold = (
            insert(sessions)
            .values(key_name=reach.key_name, last_turn=0, created_at=db_now(), updated_at=db_now())
            .on_conflict_do_update(
                index_elements=["session_id"],
                set_={"updated_at": sessions.c.updated_at},
                where=reach.has_session(),
            )
            .returning(sessions.c.session_id)
        )
        self.known = _KNOWN.where(in_reach)
        self.last_seq = sa.select(_LAST_SEQ).where(_OF_SESSION, in_reach)
        self.page = (
            sa.select(narrator_events)
            .where(_OF_SESSION, narrator_events.c.seq > sa.bindparam("after"), in_reach)
            .order_by(narrator_events.c.seq)
        )
        self.narrations = self.page.where(narrator_events.c.type == "NARRATION")
        asked = sa.select(narrator_events).where(
            narrator_events.c.type == "USER_MESSAGE", narrator_events.c.controller == sa.bindparam("of_name"), in_reach
        )
        self.asked = asked.where(narrator_events.c.event_id == sa.bindparam("of_event"))
        answers = narrator_events.alias("answers")
        self.unanswered = asked.where(
            narrator_events.c.epoch == sa.bindparam("of_epoch"),
            narrator_events.c.at > db_now() - sa.bindparam("seconds"),
            ~sa.exists().where(answers.c.answers == narrator_events.c.event_id),
        ).order_by(narrator_events.c.event_id)


_statements = cache(_Statements)


class NarratorEvents:
    def __init__(self, database: Database, controllers: Controllers, reach: Reach = EVERYTHING) -> None:
        """`controllers`: those of the same reach."""
        self._database = database
        self._controllers = controllers
        self._statements = _statements(reach, database.insert)

    async def post(self, new: NewMessage) -> Posted:
        """A message to a conversation's narrator; and the conversation, if it is its first. Raises NotFound where that
        is out of reach."""
        session = {"session_id": new.session_id, "title": beginning(new.message, TITLE_CHARS)}
        values = {
            "type": "USER_MESSAGE",
            "source": USER,
            "message": new.message,
            "controller": new.controller,
            "epoch": new.epoch,
            "message_id": new.message_id,
            "workspace_id": new.workspace_id,
        }

        def post(connection: sa.Connection) -> Posted:
            if connection.execute(self._statements.hold, session).one_or_none() is None:
                raise unknown_session(new.session_id)
            if new.message_id is not None:
                known = connection.execute(_KNOWN, _message(new.session_id, new.message_id)).one_or_none()
                if known is not None:
                    return Posted(_event(known), is_new=False)
            return Posted(_append(connection, new.session_id, values), is_new=True)

        return await self._database.run(post)

    async def find(self, session_id: str, message_id: str) -> NarratorEvent | None:
        """What was posted with the client's own id."""
        row = await self._database.row(self._statements.known, **_message(session_id, message_id))
        return None if row is None else _event(row)

    async def answer(
        self, event: NarratorEvent, kind: EventType, message: str, turn: int | None = None
    ) -> NarratorEvent:
        """What came of a message. Returns the answer that it has: the first one counts. Raises NotFound where the
        conversation was deleted."""
        return await self._database.run(lambda connection: _answer(connection, event, kind, message, turn))

    async def answer_for(self, lease: ControllerLease, event_id: int, message: str) -> NarratorEvent:
        """The same by whoever holds the controller's lease: to a message that was posted to that very lease. Raises
        LeaseLost, and NotFound."""

        def answer(connection: sa.Connection) -> NarratorEvent:
            epoch = self._controllers.hold(connection, lease)
            named = {"of_name": lease.name, "of_event": event_id}
            asked = connection.execute(self._statements.asked, named).one_or_none()
            if asked is None:
                raise NotFound(f"the controller {lease.name!r} was not told of an event {event_id}")
            if asked.epoch != epoch:
                raise LeaseLost(f"the event {event_id} was told under another lease of the controller {lease.name!r}")
            return _answer(connection, _event(asked), "NARRATION", message, None)

        return await self._database.run(answer)

    async def answer_to(self, event_id: int) -> NarratorEvent | None:
        row = await self._database.row(_ANSWER, to_event=event_id)
        return None if row is None else _event(row)

    async def unanswered(self, lease: ControllerLease, seconds: float) -> list[NarratorEvent]:
        """What was posted under a lease, within so many seconds, and has no answer yet."""
        asked = {"of_name": lease.name, "of_epoch": lease.epoch, "seconds": seconds}
        return [_event(row) for row in await self._database.rows(self._statements.unanswered, **asked)]

    async def page(self, session_id: str, after: int, limit: int) -> list[NarratorEvent]:
        """All events of a conversation that follow one, in order."""
        return await self._read(self._statements.page, session_id, after, limit)

    async def narrations(self, session_id: str, after: int, limit: int) -> list[NarratorEvent]:
        """Those of them that are told to who is there."""
        return await self._read(self._statements.narrations, session_id, after, limit)

    async def last_seq(self, session_id: str) -> int:
        """0 where there is nothing."""
        last: int = await self._database.value(self._statements.last_seq, of_session=session_id)
        return last

    async def look(self, since: float | None = None) -> NarratorLook:
        """What is new in all conversations since then; None: a moment ago."""

        def look(connection: sa.Connection) -> NarratorLook:
            now: float = connection.execute(_NOW).scalar_one()
            earliest = (now if since is None else since) - LATE_SECONDS
            latest = {row.session_id: row.seq for row in connection.execute(_LOOK, {"since": earliest})}
            return NarratorLook(now, latest)

        return await self._database.run_in_thread(look)

    async def _read(self, page: sa.Select[Any], session_id: str, after: int, limit: int) -> list[NarratorEvent]:
        rows = await self._database.rows(page.limit(limit), of_session=session_id, after=after)
        return [_event(row) for row in rows]


def _answer(
    connection: sa.Connection, event: NarratorEvent, kind: EventType, message: str, turn: int | None
) -> NarratorEvent:
    if not connection.execute(HOLD_SESSION, {"of_session": event.session_id}).rowcount:
        raise unknown_session(event.session_id)
    answered = connection.execute(_ANSWER, {"to_event": event.event_id}).one_or_none()
    if answered is not None:
        return _event(answered)
    values = {
        "type": kind,
        "source": event.controller,
        "message": message,
        "controller": event.controller,
        "epoch": event.epoch,
        "workspace_id": event.workspace_id,
        "answers": event.event_id,
        "turn": turn,
    }
    return _append(connection, event.session_id, values)


def _append(connection: sa.Connection, session_id: str, values: dict[str, Any]) -> NarratorEvent:
    """To a conversation that the transaction holds."""
    seq = connection.execute(_NEXT_SEQ, {"of_session": session_id}).scalar_one()
    return _event(connection.execute(_INSERT, {"session_id": session_id, "seq": seq, **values}).one())


def _event(row: sa.Row[Any]) -> NarratorEvent:
    return NarratorEvent(**row._mapping)


def _message(session_id: str, message_id: str) -> dict[str, Any]:
    return {"of_session": session_id, "by_message": message_id}
