"""Which database it is, by its URL: here alone. The module of the one that is not used is not loaded."""

from core.store.database.base import Database


def database_from_url(url: str) -> Database:
    """`sqlite:///…`, `postgres://…` and `postgresql://…`, whatever driver they name. Raises StoreUnusable."""
    if url.startswith("sqlite"):
        from core.store.database.sqlite import SqliteDatabase

        return SqliteDatabase(url)
    from core.store.database.postgresql import PostgresqlDatabase

    return PostgresqlDatabase(url)


def check_url(url: str) -> None:
    """Raises StoreUnusable for one that cannot be read."""
    if url.startswith("sqlite"):
        from core.store.database.sqlite import parse_url

        parse_url(url)
    else:
        from core.store.database.postgresql import parse_conninfo

        parse_conninfo(url)
