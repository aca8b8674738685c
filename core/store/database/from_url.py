"""Which database it is, by its URL: here alone."""

import sqlalchemy as sa

from core.store.database.base import Database
from core.store.database.postgresql import PostgresqlDatabase
from core.store.database.sqlite import SqliteDatabase


def database_from_url(url: str) -> Database:
    """`sqlite:///…`, `postgres://…` and `postgresql://…`, with the driver that we use."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return SqliteDatabase(parsed.set(drivername="sqlite"))
    return PostgresqlDatabase(parsed.set(drivername="postgresql+psycopg"))
