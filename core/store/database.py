"""The database connection: plain URLs in, an async engine out, and every driver's failure as StoreDown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from core.errors import StoreDown

BUSY_SECONDS = 30
"""How long SQLite waits for another process's write: far longer than any of ours takes."""
POOL_SIZE = 10
"""Connections per process. Statements take milliseconds, so a thousand sessions share these few."""
CACHE_KB = 256
"""Per connection to SQLite, which would take 2 MB; the system has the file in memory anyway."""
CONNECT_SECONDS = 5
"""A database that does not answer within this is down, and callers are told so."""


def async_url(url: str) -> sa.URL:
    """`sqlite:///…`, `postgres://…` and `postgresql://…` with the async driver that we use."""
    parsed = sa.make_url(url)
    kind = parsed.get_backend_name()
    driver = "sqlite+aiosqlite" if kind == "sqlite" else "postgresql+psycopg"
    return parsed.set(drivername=driver)


class Database:
    """One engine. `begin()` is the way to it, once the schema is there; until then it is `migrate`'s alone."""

    def __init__(self, url: str) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._create_engine()
        self.is_migrated = False
        self.running: set[asyncio.Task[Any]] = set()
        """What is being done; see `carried_through`."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, rolled back by an exception. Raises StoreDown."""
        if not self.is_migrated:
            raise StoreDown("the database is not ready yet", retry_after=2)
        async with self.begin_unready() as connection:
            yield connection

    @asynccontextmanager
    async def begin_unready(self) -> AsyncIterator[AsyncConnection]:
        """The same for whoever brings the schema up to date."""
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
            raise StoreDown("the database does not answer; see DATABASE_URL", retry_after=2) from error
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise StoreDown("the database closed the connection", retry_after=2) from error

    def forget(self, done: asyncio.Task[Any]) -> None:
        self.running.discard(done)
        if not done.cancelled():
            done.exception()  # whoever asked may be gone; asyncio need not complain that nobody looked

    async def close(self) -> None:
        if self.running:
            await asyncio.wait(self.running, timeout=CONNECT_SECONDS)
        await self.engine.dispose()

    def _create_engine(self) -> AsyncEngine:
        """Parameters are hidden from errors, which are logged: they are people's messages."""
        if not self.is_sqlite:
            return create_async_engine(
                self.url,
                pool_size=POOL_SIZE,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_timeout=CONNECT_SECONDS,
                connect_args={"connect_timeout": CONNECT_SECONDS},
            )
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(
            self.url, pool_size=POOL_SIZE, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}
        )
        sa.event.listen(engine.sync_engine, "connect", _set_sqlite_pragmas)
        return engine


def _set_sqlite_pragmas(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KB}")
    cursor.close()
