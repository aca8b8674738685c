"""A database on which a process cannot run: it says so, and does not wait for what never comes."""

from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from core.store.database.base import Database
from core.store.database.from_url import check_url
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


async def test_a_role_that_may_create_no_tables(postgres: Postgres) -> None:
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert "permission denied" in await why_unusable(url.replace("//test@", "//reader:open-sesame@"))


async def test_no_password_is_told(postgres: Postgres) -> None:
    url = postgres.new_database("LATIN1").replace("//test@", "//test:open-sesame@")
    message = await why_unusable(url)
    assert "postgresql://test:***@127.0.0.1" in message
    assert "open-" not in message


async def test_an_encoding_without_room_for_all_characters(postgres: Postgres) -> None:
    assert "its encoding is LATIN1" in await why_unusable(postgres.new_database("LATIN1"))


async def test_tables_of_somebody_else(url: str, empty: Database) -> None:
    await empty.run_unready(_create_sessions)
    assert "sessions" in await why_unusable(url)
    assert not await empty.run_unready(lambda connection: sa.inspect(connection).has_table("turns"))


async def test_a_revision_of_somebody_else(url: str, empty: Database) -> None:
    await empty.run_unready(_set_revision)
    assert "ae1027a6acf, which is none of Hopstream's" in await why_unusable(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://user@host:port/database", "is not a URL such as"),
        ("no url", "is not a URL such as"),
        ("postgresql:", "is not a URL such as"),
        ("postgresql://user:pa%zzword@host/db", "is not a URL such as"),
        ("postgresql://user:pa/ssword@host/db", "is not a URL such as"),
        ("postgresql://user:pass@h1:5432,h2:x/db", "is not a URL such as"),
        ("postgresql://user:password@host/db?schema=public", "has the option schema"),
        ("postgresql://user:password@host/db?pgbouncer=true&x=password", "has the option pgbouncer"),
        ("sqlite://", "has three slashes"),
        ("sqlite:///", "has three slashes"),
        ("sqlite://data/test.db", "has three slashes"),
        ("sqlite:data/test.db", "is not a URL such as sqlite:///"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?uri=true", "in memory"),
    ],
)
def test_a_url_that_cannot_be_read(url: str, why: str) -> None:
    for read in (Store, check_url):
        with pytest.raises(StoreUnusable, match="DATABASE_URL") as raised:
            read(url)
        assert why in raised.value.message
        assert "word" not in raised.value.message.replace("user:password@host", "").replace("in a password", "")


@pytest.mark.parametrize(
    "url",
    [
        "postgres://user:pw@host/db",
        "postgresql+psycopg://user@host/db",
        "postgresql+asyncpg://user:p%40ss%2Fword@host:5432/db",
        "postgresql://user@h1:5432,h2:5433/db?target_session_attrs=read-write",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql://user@[::1]/db?sslmode=require&application_name=hop&connect_timeout=3",
        "sqlite:///data/test.db",
        "sqlite:////var/lib/test.db",
        "sqlite+aiosqlite:///data/test.db",
    ],
)
def test_urls_that_people_have(url: str) -> None:
    check_url(url)


def _create_sessions(connection: sa.Connection) -> None:
    connection.execute(sa.text("CREATE TABLE sessions (id INTEGER)"))


def _set_revision(connection: sa.Connection) -> None:
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    connection.execute(sa.text("INSERT INTO alembic_version VALUES ('ae1027a6acf')"))
