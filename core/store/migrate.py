"""Brings the schema up to date. Every process calls it when it starts; several at once wait for one another.

A release expands the schema, and contracts it a release later at the earliest. To expand is to add what older code does
not miss: tables, and columns that may be NULL or have a default. To contract is to take away, rename or restrict what
the code of the release before no longer uses; such a migration also sets the mark in `schema_marks` to the oldest
revision whose code can run on what it leaves. So the processes of two releases run side by side, and a roll-out can be
taken back by one release: code that finds a revision that it does not know runs on it if the mark lets it.
"""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.model.errors import StoreDown
from core.store.database.base import Database
from core.store.errors import SchemaTooNew
from core.store.schema import processes, schema_marks

log = structlog.get_logger()

SCRIPTS = Path(__file__).parent / "migrations"

_WRITE_NOTHING = sa.delete(processes).where(sa.false())
"""Only a write tells of a database that it is read-only: this one does no harm."""
_alembic_version = sa.table("alembic_version", sa.column("version_num"))


async def migrate(database: Database, scripts: Path = SCRIPTS) -> None:
    """Raises StoreDown; StoreUnusable, SchemaTooNew among it, where waiting is of no use."""

    def bring_up_to_date(connection: sa.Connection) -> None:
        database.lock_schema(connection)
        _bring_up_to_date(database, connection, scripts)

    try:
        await database.prepare()
        await database.run_unready(bring_up_to_date)
    except StoreDown as error:
        if not database.is_unusable(error.__cause__):
            raise
        raise database.unusable(error.__cause__) from error.__cause__
    except (SQLAlchemyError, OSError) as error:
        raise database.unusable(error) from error
    database.is_migrated = True


def revisions(scripts: Path = SCRIPTS) -> list[str]:
    """Those that this code knows, oldest first: by the names of their files, `0001_what_it_does.py`."""
    return sorted(path.name.partition("_")[0] for path in (scripts / "versions").glob("[0-9]*.py"))


def revision_of(connection: sa.Connection) -> str | None:
    """None: nothing is there yet."""
    if not sa.inspect(connection).has_table(_alembic_version.name):
        return None
    return connection.execute(sa.select(_alembic_version.c.version_num)).scalar_one_or_none()


def _bring_up_to_date(database: Database, connection: sa.Connection, scripts: Path) -> None:
    known = revisions(scripts)
    current = revision_of(connection)
    if current is None or current in known[:-1]:
        _upgrade(connection, scripts)
    elif current not in known:
        _check_mark(database, connection, current, known)
    connection.execute(_WRITE_NOTHING)


def _check_mark(database: Database, connection: sa.Connection, current: str, known: Sequence[str]) -> None:
    """Raises StoreUnusable, SchemaTooNew."""
    if not sa.inspect(connection).has_table(schema_marks.name):
        raise database.unusable(f"its schema has the revision {current}, which is none of Hopstream's")
    oldest: str = connection.execute(sa.select(schema_marks.c.oldest_code)).scalar_one()
    if oldest > known[-1]:
        raise SchemaTooNew(
            f"the database's schema has the revision {current}, which only code that knows {oldest} can use; this code "
            f"knows no later one than {known[-1]}: start the release that made the schema or a later one, or restore a "
            "copy of the database from before"
        )
    log.info("the schema is of a later release", action="store.newer_schema", revision=current, known=known[-1])


def _upgrade(connection: sa.Connection, scripts: Path) -> None:
    """Alembic is only loaded where there is something to do: that takes longer than the rest of a process's start."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
