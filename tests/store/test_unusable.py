"""A database on which a process cannot run: it says so, and does not wait for what never comes."""

from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from core.store.database.base import Database
from core.store.errors import SchemaTooNew, StoreUnusable
from core.store.store import Store
from tests.postgres import Postgres

pytestmark = pytest.mark.anyio


async def why_unusable(url: str) -> str:
    store = Store(url)
    with pytest.raises(StoreUnusable) as raised:
        await store.open()
    await store.close()
    assert not isinstance(raised.value, SchemaTooNew)
    assert "DATABASE_URL" in raised.value.message
    return raised.value.message


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no database, but some text that is long enough for one" * 50)
    assert "file is not a database" in await why_unusable(f"sqlite:///{file}")
    assert str(file) in await why_unusable(f"sqlite:///{file}")


async def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "unable to open" in await why_unusable(f"sqlite:///{tmp_path}")


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in await why_unusable(f"sqlite:///{tmp_path}/file/deep/test.db")


async def test_a_file_that_is_read_only(tmp_path: Path) -> None:
    read_only = f"sqlite:///file:{tmp_path}/test.db?mode=ro&uri=true"
    assert "unable to open" in await why_unusable(read_only)
    store = Store(f"sqlite:///{tmp_path}/test.db")
    await store.open()
    await store.close()
    assert "readonly" in await why_unusable(read_only)


async def test_a_server_that_is_read_only(postgres: Postgres) -> None:
    url = postgres.new_database()
    for is_migrated in (False, True):
        assert "read-only" in await why_unusable(f"{url}?options=-c%20default_transaction_read_only%3Don"), is_migrated
        store = Store(url)
        await store.open()
        await store.close()


async def test_a_role_that_may_create_no_tables(postgres: Postgres) -> None:
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert "permission denied" in await why_unusable(url.replace("//test@", "//reader:open-sesame@"))


async def test_an_option_that_the_driver_does_not_know(postgres: Postgres) -> None:
    assert "colour" in await why_unusable(postgres.url("postgres") + "?colour=red")


async def test_no_password_is_told(postgres: Postgres) -> None:
    url = postgres.url("postgres").replace("//test@", "//test:open-sesame@")
    message = await why_unusable(f"{url}?colour=red&password=open-barley")
    assert "postgresql://test:***@127.0.0.1" in message
    assert "open-" not in message


async def test_tables_of_somebody_else(url: str, empty: Database) -> None:
    await empty.run_unready(_create_sessions)
    assert "sessions" in await why_unusable(url)
    assert not await empty.run_unready(lambda connection: sa.inspect(connection).has_table("turns"))


async def test_a_revision_of_somebody_else(url: str, empty: Database) -> None:
    await empty.run_unready(_set_revision)
    assert "ae1027a6acf, which is none of Hopstream's" in await why_unusable(url)


@pytest.mark.parametrize("url", ["postgresql://user@host:port/database", "no url", "postgresql:"])
def test_a_url_that_cannot_be_read(url: str) -> None:
    with pytest.raises(StoreUnusable, match="DATABASE_URL"):
        Store(url)


def _create_sessions(connection: sa.Connection) -> None:
    connection.execute(sa.text("CREATE TABLE sessions (id INTEGER)"))


def _set_revision(connection: sa.Connection) -> None:
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    connection.execute(sa.text("INSERT INTO alembic_version VALUES ('ae1027a6acf')"))
