"""Brings the schema up to date. Every process calls it when it starts; several at once wait for one another."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from core.model.errors import StoreDown
from core.store.database import BUSY_SECONDS, Database

ADVISORY_LOCK = 0x686F7073
"""PostgreSQL's lock for one migration at a time; the number has no meaning but to be ours ("hops")."""


async def migrate(database: Database) -> None:
    """Raises StoreDown."""
    if database.is_sqlite:
        await _use_wal(database)
    await database.run_unready(_upgrade_sqlite if database.is_sqlite else _upgrade_postgresql)
    database.is_migrated = True


def _upgrade_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    _upgrade(connection)


def _upgrade_postgresql(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    _upgrade(connection)


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _use_wal(database: Database) -> None:
    """Readers and one writer at the same time. SQLite's busy timeout does not cover this switch, so retry it."""
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(StoreDown),
        wait=wait_random_exponential(0.05, max=0.5),
        stop=stop_after_delay(BUSY_SECONDS),
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            await database.run_unready(_switch_to_wal)


def _switch_to_wal(connection: sa.Connection) -> None:
    connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()
