"""What is to be known of turns in order to watch them, without their questions and answers."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from core.model.keys import TurnKey
from core.store.database.base import Database
from core.store.reach import EVERYTHING, Reach
from core.store.schema import db_now, sessions, turns
from core.store.turns.conditions import IS_ACTIVE
from core.store.turns.records import Labels, Mode, Status

KEYS_AT_ONCE = 200
"""Asked for in one statement; databases bound its parameters."""
LATE_SECONDS = 4.0
"""The time of a turn's end is from before it was committed: so much later it may first be seen."""
MOST_FINISHED = 2_000
"""The newest of those that have finished since some moment."""
LONGEST_AGO_SECONDS = 900.0
"""How long ago that may be."""


class WatchedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds since 1970 by the database's clock."""

    key: TurnKey
    mode: Mode
    status: Status
    attempt: int
    owner: str | None
    """The process that runs it."""
    model: str
    labels: Labels
    key_name: str | None
    """Of the API key that its session belongs to."""
    created_at: float
    started_at: float | None
    finished_at: float | None
    finish_reason: str | None

    @property
    def finished(self) -> bool:
        return self.finished_at is not None

    @property
    def state(self) -> str:
        """Its status, and `cancelled` for one that was."""
        return "cancelled" if self.finish_reason == "cancelled" else self.status


class Look(NamedTuple):
    at: float
    """By the database's clock, before it looked."""
    turns: list[WatchedTurn]
    is_whole: bool = True
    """Whether all that have finished are among them."""


_SELECT: sa.Select[Any] = sa.select(
    turns.c.session_id,
    turns.c.turn,
    turns.c.mode,
    turns.c.status,
    turns.c.attempt,
    turns.c.owner,
    turns.c.model,
    turns.c.goal_id,
    turns.c.work_item_id,
    turns.c.run_id,
    turns.c.metadata,
    sessions.c.key_name,
    turns.c.created_at,
    turns.c.started_at,
    turns.c.finished_at,
    turns.c.finish_reason,
).join(sessions, sessions.c.session_id == turns.c.session_id)
_FINISHED = (
    _SELECT.where(turns.c.finished_at >= sa.bindparam("since"))
    .order_by(turns.c.finished_at.desc())
    .limit(MOST_FINISHED)
)
_ACTIVE = _SELECT.where(IS_ACTIVE)
_NOW = sa.select(db_now())


class WatchedTurns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, since: float | None = None, reach: Reach = EVERYTHING) -> Look:
        """All turns within reach that are not finished, and those that have finished since then; None: a moment ago."""
        active, finished = (statement.where(reach.has_session()) for statement in (_ACTIVE, _FINISHED))

        def look(connection: sa.Connection) -> Look:
            now: float = connection.execute(_NOW).scalar_one()
            earliest = now - (LATE_SECONDS if since is None else LONGEST_AGO_SECONDS)
            # In this order: a turn that finishes meanwhile is among the one or the other, or both.
            running = connection.execute(active).all()
            ended = connection.execute(finished, {"since": max(since or 0.0, earliest)}).all()
            found = {read.key: read for read in map(_read, (*running, *reversed(ended)))}
            is_whole = len(ended) < MOST_FINISHED and (since is None or since >= earliest)
            return Look(now, list(found.values()), is_whole)

        return await self._database.run_in_thread(look)

    async def get(self, keys: Iterable[TurnKey]) -> list[WatchedTurn]:
        """Those that there are."""
        asked = list(keys)
        found: list[WatchedTurn] = []
        for start in range(0, len(asked), KEYS_AT_ONCE):
            among = sa.tuple_(turns.c.session_id, turns.c.turn).in_(asked[start : start + KEYS_AT_ONCE])
            found += map(_read, await self._database.rows(_SELECT.where(among)))
        return found


def _read(row: sa.Row[Any]) -> WatchedTurn:
    values = dict(row._mapping)
    key = TurnKey(values.pop("session_id"), values.pop("turn"))
    goal_id, work_item_id, run_id = (values.pop(name) for name in ("goal_id", "work_item_id", "run_id"))
    return WatchedTurn(key=key, labels=Labels(goal_id, work_item_id, run_id, values.pop("metadata") or {}), **values)
