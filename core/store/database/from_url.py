"""Which database it is, by its URL: here alone. The module of the one that is not used is not loaded."""

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from core.store.database.base import Database
from core.store.errors import StoreUnusable


def parse_url(url: str) -> sa.URL:
    """Raises StoreUnusable."""
    try:
        return sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreUnusable("DATABASE_URL is not a URL such as postgresql://user:password@host/database") from error


def database_from_url(url: str) -> Database:
    """`sqlite:///…`, `postgres://…` and `postgresql://…`, with the driver that we use. Raises StoreUnusable."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        from core.store.database.sqlite import SqliteDatabase

        return SqliteDatabase(parsed.set(drivername="sqlite"))
    from core.store.database.postgresql import PostgresqlDatabase

    return PostgresqlDatabase(parsed.set(drivername="postgresql+psycopg"))
