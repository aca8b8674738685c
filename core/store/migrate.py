"""Brings the schema up to date. Every process calls it when it starts; several at once wait for one another."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from core.store.database.base import Database


async def migrate(database: Database) -> None:
    """Raises StoreDown."""
    await database.prepare()

    def upgrade(connection: sa.Connection) -> None:
        database.lock_schema(connection)
        _upgrade(connection)

    await database.run_unready(upgrade)
    database.is_migrated = True


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
