"""The database: plain URLs in, transactions in threads, and every driver's failure as StoreDown.

A transaction is one hop to a thread and back. SQLite's async driver hops for every statement, every fetch and the
commit, which costs more than the database does.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from core.errors import StoreDown
from core.store.schema import SQLITE_CLOCK

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

BUSY_SECONDS = 30
"""How long SQLite waits for another process's write: far longer than any of ours takes."""
POOL_SIZE = 10
"""Threads and connections per process. Transactions take milliseconds, so a thousand sessions share these few."""
CACHE_KB = 256
"""Per connection to SQLite, which would take 2 MB; the system has the file in memory anyway."""
CONNECT_SECONDS = 5
"""A database that does not answer within this is down, and callers are told so."""


def driver_url(url: str) -> sa.URL:
    """`sqlite:///…`, `postgres://…` and `postgresql://…` with the driver that we use."""
    parsed = sa.make_url(url)
    kind = parsed.get_backend_name()
    return parsed.set(drivername="sqlite" if kind == "sqlite" else "postgresql+psycopg")


class Database:
    """One engine. Every call is a transaction of its own: committed at its end, rolled back by an exception.

    It is carried through whatever becomes of who asked for it: a caller that is cancelled just no longer waits. All
    raise StoreDown, also until the schema is there; the way for who makes it is `run_unready`.
    """

    def __init__(self, url: str) -> None:
        self.url = driver_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.is_migrated = False
        self._engine = self._create_engine()
        self._here = threading.local()
        self._held: list[sa.Connection] = []
        self._threads = ThreadPoolExecutor(POOL_SIZE, "store")
        self._free = asyncio.Semaphore(POOL_SIZE)

    async def rows(self, statement: sa.Executable, **parameters: Any) -> Sequence[sa.RowMapping]:
        return await self.run(lambda connection: connection.execute(statement, parameters).mappings().all())

    async def row(self, statement: sa.Executable, **parameters: Any) -> sa.RowMapping | None:
        """The only one, or none."""
        return await self.run(lambda connection: connection.execute(statement, parameters).mappings().one_or_none())

    async def value(self, statement: sa.Executable, **parameters: Any) -> Any:
        """Of the only column of the only row; None without one."""
        return await self.run(lambda connection: connection.execute(statement, parameters).scalar_one_or_none())

    async def change(self, statement: sa.Executable, **parameters: Any) -> int:
        """How many rows it has changed."""
        return await self.run(lambda connection: connection.execute(statement, parameters).rowcount)

    async def run(self, work: Work[T]) -> T:
        """For more than one statement: `work` is called in a thread, and reads its results to their end."""
        if not self.is_migrated:
            raise StoreDown("the database is not ready yet", retry_after=2)
        return await self.run_unready(work)

    async def run_unready(self, work: Work[T]) -> T:
        """The same for whoever brings the schema up to date."""
        await self._wait_for_thread()
        transaction = asyncio.get_running_loop().run_in_executor(self._threads, self._transact, work)
        transaction.add_done_callback(lambda _: self._free.release())
        return await asyncio.shield(transaction)

    async def close(self) -> None:
        """What is being done comes first, within reason."""
        self._threads.shutdown(wait=False)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for _ in range(POOL_SIZE):
                    await self._free.acquire()
        except TimeoutError:
            return
        for connection in self._held:
            connection.close()
        self._engine.dispose()

    async def _wait_for_thread(self) -> None:
        if not self._free.locked():  # the usual case, without a timer
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(BUSY_SECONDS if self.is_sqlite else CONNECT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise _store_down() from error

    def _transact(self, work: Work[T]) -> T:
        try:
            if not self.is_sqlite:
                with self._engine.begin() as connection:
                    return work(connection)
            connection = self._connection()
            with connection.begin():
                return work(connection)
        except (OperationalError, InterfaceError, OSError) as error:
            raise _store_down() from error
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise StoreDown("the database closed the connection", retry_after=2) from error

    def _connection(self) -> sa.Connection:
        """SQLite's of this thread. Nothing can happen to it while it rests, so no pool has to hand it out."""
        held: sa.Connection | None = getattr(self._here, "connection", None)
        if held is None:
            held = self._here.connection = self._engine.connect()
            self._held.append(held)
        return held

    def _create_engine(self) -> sa.Engine:
        """Parameters are hidden from errors, which are logged: they are people's messages. Of PostgreSQL's connections
        the one that was used last comes first: it has its statements ready."""
        options: dict[str, Any] = {"pool_size": POOL_SIZE, "pool_use_lifo": True, "hide_parameters": True}
        if not self.is_sqlite:
            connect_args = {"connect_timeout": CONNECT_SECONDS}
            return sa.create_engine(self.url, **options, pool_pre_ping=True, connect_args=connect_args)
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(self.url, **options, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine


def _store_down() -> StoreDown:
    return StoreDown("the database does not answer; see DATABASE_URL", retry_after=2)


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.create_function(SQLITE_CLOCK, 0, time.time)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KB}")
    cursor.close()
