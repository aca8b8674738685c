"""Migrations: every process brings the schema up to date, and those of two releases run side by side."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.model.errors import StoreDown
from core.model.events import Done
from core.model.parts import Text
from core.model.tape import Tape
from core.store.database.base import Database
from core.store.database.from_url import database_from_url
from core.store.errors import SchemaTooNew
from core.store.migrate import SCRIPTS, migrate, revision_of, revisions
from core.store.schema import metadata, schema_marks
from core.store.store import Store
from tests.postgres import Postgres
from tests.store.conftest import Maker
from tests.store.releases import CONTRACTING, EXPANDING, LATER, MARK, earlier_release, later_release

pytestmark = pytest.mark.anyio

BEFORE_THE_RULE = "0003"


async def answer_turns(store: Store, make: Maker, session_id: str, count: int) -> None:
    """Everything that a turn's life asks of the store."""
    for _ in range(count):
        turn = await make.running(await make.process("worker"), session_id)
        assert await store.ownership.finish(turn.key, "worker", Tape([Text("yes")]), Done(1, 3, "stop"))
        assert (await store.turns.get(turn.key)).read_tape().text() == "yes"
    direct = await make.queued(session_id, mode="direct", owner="worker")
    assert await store.ownership.finish(direct.key, "worker", Tape(), Done(1, 0, "stop"))
    await make.queued(session_id)
    await store.turns.request_cancel(session_id)
    assert await store.orphans.requeue_lost() == []
    assert (await store.sessions.get(session_id)).turns == count + 2


def test_a_migration_s_file_is_named_after_its_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions() == known[::-1]


async def test_many_may_bring_the_schema_up_to_date_at_once(url: str) -> None:
    stores = [Store(url) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    await stores[0].open()  # again is nothing
    assert await stores[1].sessions.recent(1) == []
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.usefixtures("store")
async def test_the_migrations_make_the_schema_of_the_code(database: Database) -> None:
    def compare(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await database.run(compare) == []


def test_a_start_with_nothing_to_migrate_does_not_load_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    start = f"import asyncio, sys; from core.store.store import Store; asyncio.run(Store({url!r}).open())"
    for loaded in (True, False):
        done = subprocess.run([sys.executable, "-c", f"{start}; print('alembic' in sys.modules)"], capture_output=True)
        assert (done.stdout.decode().strip(), done.stderr) == (str(loaded), b"")


@pytest.mark.parametrize("newest", [None, BEFORE_THE_RULE])
async def test_releases_that_start_at_once_agree(empty: Database, url: str, tmp_path: Path, newest: str | None) -> None:
    """On a database that is empty, and on one of an earlier release."""
    if newest is not None:
        await migrate(empty, earlier_release(tmp_path / "earlier", newest))
    later = later_release(tmp_path / "later", EXPANDING)
    databases = [database_from_url(url) for _ in range(8)]
    await asyncio.gather(*(migrate(each, later if n % 2 else SCRIPTS) for n, each in enumerate(databases)))
    for each in databases:
        assert await each.run(revision_of) == LATER
        await each.close()


async def test_this_release_runs_on_the_schema_of_the_next(
    empty: Database, store: Store, make: Maker, tmp_path: Path, url: str
) -> None:
    """One that runs while the schema changes, and one that starts afterwards, as a roll-out that is taken back does."""
    await answer_turns(store, make, "before", 8)  # more than it takes until PostgreSQL's driver prepares a statement
    await migrate(empty, later_release(tmp_path / "later", EXPANDING))
    await answer_turns(store, make, "after", 3)
    restarted = Store(url)
    await restarted.open()
    await answer_turns(restarted, make, "restarted", 3)
    assert await empty.run(revision_of) == LATER
    await restarted.close()


async def test_a_schema_that_is_marked_as_too_new_is_refused(empty: Database, url: str, tmp_path: Path) -> None:
    await migrate(empty, later_release(tmp_path / "later", f"{CONTRACTING}\n    {MARK}"))
    store = Store(url)
    with pytest.raises(SchemaTooNew, match=f"{LATER}.*{revisions()[-1]}.*start the release"):
        await store.open()
    with pytest.raises(StoreDown):
        await store.sessions.recent(1)
    assert await empty.run(revision_of) == LATER
    await store.close()


@pytest.mark.parametrize(
    ("does", "takes_away"),
    [
        (EXPANDING, []),
        (CONTRACTING, ["turns.handed_over"]),
        (f"{CONTRACTING}\n    {MARK}", []),
        ('op.alter_column("sessions", "title", new_column_name="name")', ["sessions.name", "sessions.title"]),
        ('op.rename_table("sessions", "talks")', ["sessions"]),
        ('op.create_index("one_model", "turns", ["session_id", "model"], unique=True)', ["turns: one_model"]),
        (
            'op.add_column("processes", sa.Column("mood", sa.Text, server_default="calm"))\n'
            '    op.add_column("turns", sa.Column("mood", sa.Text, nullable=False))',
            ["turns.mood"],
        ),
    ],
)
async def test_what_older_code_would_miss_is_seen(
    empty: Database, tmp_path: Path, does: str, takes_away: list[str]
) -> None:
    await migrate(empty)
    assert await missed_by_older_code(empty, later_release(tmp_path / "later", does)) == takes_away


async def test_every_migration_only_adds_or_sets_the_mark(empty: Database, tmp_path: Path) -> None:
    await migrate(empty, earlier_release(tmp_path / BEFORE_THE_RULE, BEFORE_THE_RULE))
    for revision in [revision for revision in revisions() if revision > BEFORE_THE_RULE]:
        assert await missed_by_older_code(empty, earlier_release(tmp_path / revision, revision)) == [], revision


async def test_a_migration_does_not_hold_up_the_others_for_long(postgres: Postgres, tmp_path: Path) -> None:
    """Whoever asks for a table waits behind a migration that waits for it, for a backup's end perhaps."""
    url = postgres.new_database()
    database, other = database_from_url(url), database_from_url(url)
    await migrate(database, earlier_release(tmp_path / "earlier", BEFORE_THE_RULE))
    backup_begun, backup_over = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def back_up(connection: sa.Connection) -> None:
        connection.execute(sa.text("LOCK TABLE turns IN ACCESS SHARE MODE"))
        loop.call_soon_threadsafe(backup_begun.set)
        asyncio.run_coroutine_threadsafe(backup_over.wait(), loop).result(60)

    backup = asyncio.create_task(other.run_unready(back_up))
    await backup_begun.wait()
    with pytest.raises(StoreDown):
        await migrate(database)
    backup_over.set()
    await backup
    await migrate(database)
    assert await database.run(revision_of) == revisions()[-1]
    for each in (database, other):
        await each.close()


async def missed_by_older_code(database: Database, scripts: Path) -> list[str]:
    """What these migrations take away, rename or restrict without setting the mark."""
    before, mark = await database.run_unready(_shape), await database.run_unready(_mark)
    await migrate(database, scripts)
    after = await database.run_unready(_shape)
    if await database.run_unready(_mark) != mark:
        return []
    changed = {what for what, kind in before.items() if after.get(what) != kind != RESTRICTS}
    imposed = {what for what, kind in after.items() if what not in before and kind.endswith(RESTRICTS)}
    lost_tables = {what for what in changed if before[what] == TABLE}
    return sorted(
        lost_tables
        | {what for what in changed if _table_of(what) not in lost_tables}
        | {what for what in imposed if _table_of(what) in before}
    )


TABLE, RESTRICTS = "table", "restricts"


def _shape(connection: sa.Connection) -> dict[str, str]:
    """Tables, columns (`table.column`) with their types, and what keeps an INSERT out that was fine before."""
    shape: dict[str, str] = {}
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        shape[table] = TABLE
        for column in inspector.get_columns(table):
            is_needed = not column["nullable"] and column["default"] is None
            shape[f"{table}.{column['name']}"] = f"{column['type']} {RESTRICTS if is_needed else ''}"
        indexes = [index for index in inspector.get_indexes(table) if index["unique"]]
        constraints = [*inspector.get_unique_constraints(table), *inspector.get_check_constraints(table)]
        for each in (*indexes, *constraints, *inspector.get_foreign_keys(table)):
            shape[f"{table}: {each['name']}"] = RESTRICTS
    return shape


def _table_of(what: str) -> str:
    return what.partition(":")[0].partition(".")[0]


def _mark(connection: sa.Connection) -> str | None:
    has_mark = sa.inspect(connection).has_table(schema_marks.name)
    return connection.scalar(sa.select(schema_marks.c.oldest_code)) if has_mark else None
