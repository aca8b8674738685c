"""The database: plain URLs, transactions that wait for one another, and failures with a name."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.processes import free_port
from core.model.errors import StoreDown
from core.model.keys import TurnKey
from core.store.database.base import Database
from core.store.schema import db_now
from core.store.store import Store
from core.store.turns.ownership import Held
from core.store.turns.records import NewTurn
from tests.postgres import Postgres
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("store")
async def test_the_clock_is_the_database_s(database: Database) -> None:
    now = await database.value(sa.select(db_now()))
    later = await database.value(sa.select(db_now() - now))
    assert 1_700_000_000 < now < 5_000_000_000
    assert 0 <= later < 10


async def test_sqlite_makes_its_folder(tmp_path: Path, in_tmp_path: Path) -> None:
    for url, file in (
        ("sqlite:///new/deep/rel.db", in_tmp_path / "new/deep/rel.db"),
        (f"sqlite:////{str(tmp_path).lstrip('/')}/abs/a.db", tmp_path / "abs/a.db"),
    ):
        store = Store(url)
        await store.open()
        await store.close()
        assert file.is_file()


async def test_a_locked_sqlite_is_waited_for(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/test.db")
    await store.open()
    await store.processes.beat("worker", "worker")
    new = NewTurn(session_id="s", mode="queue", model="m", message="hi", options={})
    with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = [
            asyncio.create_task(store.processes.beat("another", "worker")),
            asyncio.create_task(store.turns.create(new)),  # one that is tried in the event loop
        ]
        assert await store.processes.count_alive("worker") == 1  # reading waits for nobody
        assert await store.turns.places() == {}
        assert not any(task.done() for task in waiting)
        other.execute("COMMIT")
    await asyncio.gather(*waiting)
    await store.processes.beat("worker", "worker")  # which may be silent by now
    assert await store.processes.count_alive("worker") == 2
    assert await store.turns.places() == {TurnKey("s", 1): 1}
    await store.close()


async def test_sqlite_s_log_of_writes_stays_short(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/test.db")
    await store.open()
    sizes = []
    for batch in "abcd":
        for number in range(150):
            message = "m" * 50_000
            await store.turns.create(
                NewTurn(session_id=f"{batch}{number}", mode="queue", model="m", message=message, options={})
            )
        await store.processes.beat("worker", "worker")
        sizes.append((tmp_path / "test.db-wal").stat().st_size)
    await store.close()
    assert sizes[0] > 1_000_000
    assert sizes[-1] < 2 * sizes[0]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
async def test_postgresql_by_its_usual_urls(postgres: Postgres, scheme: str) -> None:
    store = Store(f"{postgres.url('postgres', scheme)}?sslmode=disable")
    await store.open()
    await store.close()


async def test_a_postgresql_that_is_not_there_is_named(postgres: Postgres) -> None:
    store = Store(postgres.url("postgres").replace(postgres.url("").rsplit(":", 1)[1].split("/")[0], str(free_port())))
    with pytest.raises(StoreDown, match="DATABASE_URL"):
        await store.open()
    await store.close()


async def test_a_postgresql_that_restarts_is_found_again(postgres: Postgres) -> None:
    store = Store(postgres.url("postgres"))
    await store.open()

    for _ in range(2):
        assert await store.ownership.claim(TurnKey("s", 1), "worker") is Held.GONE
        postgres.stop()
        try:
            with pytest.raises(StoreDown):
                await store.ownership.claim(TurnKey("s", 1), "worker")
        finally:
            postgres.start()
    assert await store.ownership.claim(TurnKey("s", 1), "worker") is Held.GONE
    await store.close()


@pytest.mark.usefixtures("make")
async def test_a_missing_table_is_no_lost_database(store: Store, database: Database, make: Maker) -> None:
    """A bug must not pass for an outage that passes by itself."""
    await make.queued()
    await database.change(sa.text("DROP TABLE processes"))
    with pytest.raises(sa.exc.DBAPIError):
        await store.processes.count_alive("worker")


async def test_a_store_whose_schema_is_not_there_yet_is_down(url: str) -> None:
    store = Store(url)
    with pytest.raises(StoreDown):
        await store.processes.count_alive("worker")
    await store.open()
    assert await store.processes.count_alive("worker") == 0
    await store.close()
