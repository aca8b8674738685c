"""One suite, two databases: every test that asks for `store` runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.model.keys import TurnKey
from core.store.database.base import Database
from core.store.database.from_url import database_from_url
from core.store.liveness import SILENT_SECONDS
from core.store.migrate import migrate
from core.store.schema import db_now, processes, turns
from core.store.store import Store
from core.store.turns.conditions import IS_TURN, of
from core.store.turns.records import NewTurn, Turn
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def empty(url: str) -> AsyncIterator[Database]:
    """The database before anybody has opened it."""
    database = database_from_url(url)
    yield database
    await database.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = Store(url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def database(url: str, store: Store) -> AsyncIterator[Database]:
    """The same database, for looking behind the store's back and for making time pass."""
    database = database_from_url(url)
    await migrate(database)
    yield database
    await database.close()


class Maker:
    """Makes turns in the states that tests begin with."""

    def __init__(self, store: Store, database: Database) -> None:
        self._store = store
        self._database = database

    async def queued(self, session_id: str = "s", **fields: Any) -> Turn:
        given = {"mode": "queue", "model": "m", "message": "hi", "options": {}, **fields}
        return (await self._store.turns.create(NewTurn(session_id=session_id, **given))).turn

    async def waiting(self, session_id: str = "s", **fields: Any) -> Turn:
        """As its session's first, which no turn of our own making is."""
        turn = await self.queued(session_id, **fields)
        await self._database.change(sa.update(turns).where(IS_TURN).values(status="waiting"), **of(turn.key))
        return await self._store.turns.get(turn.key)

    async def process(self, process_id: str, kind: str = "worker") -> str:
        """A process that is alive."""
        await self._store.processes.beat(process_id, kind)
        return process_id

    async def running(self, owner: str, session_id: str = "s", **fields: Any) -> Turn:
        claimed = await self._store.ownership.claim((await self.queued(session_id, **fields)).key, owner)
        assert isinstance(claimed, Turn)
        return claimed

    async def age(self, seconds: float, *, process: str | None = None, key: TurnKey | None = None) -> None:
        """Let time pass for a process's heartbeat or a turn's times."""
        if process is not None:
            aged = sa.update(processes).where(processes.c.process_id == process)
            seen_at = processes.c.seen_at - seconds
            beat = sa.case((seen_at <= db_now() - SILENT_SECONDS, 0), else_=processes.c.beat)
            await self._database.change(aged.values(seen_at=seen_at, beat=beat))
        if key is not None:
            aged = sa.update(turns).where(turns.c.session_id == key.session_id, turns.c.turn == key.turn)
            times = {name: turns.c[name] - seconds for name in ("created_at", "queued_at", "finished_at")}
            await self._database.change(aged.values(**times))


@pytest.fixture
def make(store: Store, database: Database) -> Maker:
    return Maker(store, database)
