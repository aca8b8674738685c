"""The database: plain URLs in, transactions out, and every driver's failure as StoreDown.

A transaction is one hop to a thread and back. SQLite's async driver hops for every statement, every fetch and the
commit, which costs more than the database does. A short transaction of SQLite's even takes less time than the hop: it
is tried in the event loop, and goes to a thread where it would have to wait for another process's write.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from core.model.errors import StoreDown
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

_PATIENCE = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": CONNECT_SECONDS * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""libpq's: a machine that is gone without a word is noticed, too, which by default takes a quarter of an hour."""


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
        self._in_loop: sa.Connection | None = None
        self._in_thread = threading.local()
        self._held: list[sa.Connection] = []
        self._threads = ThreadPoolExecutor(POOL_SIZE, "store")
        self._free = asyncio.Semaphore(POOL_SIZE)

    async def rows(self, statement: sa.Executable, **parameters: Any) -> Sequence[sa.RowMapping]:
        """However many."""
        return await self.run_in_thread(lambda connection: connection.execute(statement, parameters).mappings().all())

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
        """For more than one statement: `work` reads its results to their end.

        It takes a millisecond at most, for in SQLite the event loop waits for it, and it may be called twice: nothing
        is left of the first time then.
        """
        self._check_ready()
        if self.is_sqlite:
            with suppress(_Busy):
                return self._transact(self._begin_in_loop(), work)
        return await self.run_unready(work)

    async def run_in_thread(self, work: Work[T]) -> T:
        """The same for what may take longer."""
        self._check_ready()
        return await self.run_unready(work)

    async def run_unready(self, work: Work[T]) -> T:
        """And for whoever brings the schema up to date."""
        await self._wait_for_thread()

        def transact() -> T:
            return self._transact(self._begin_in_thread(), work)

        transaction = asyncio.get_running_loop().run_in_executor(self._threads, transact)
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

    def _check_ready(self) -> None:
        if not self.is_migrated:
            raise StoreDown("the database is not ready yet", retry_after=2)

    async def _wait_for_thread(self) -> None:
        if not self._free.locked():  # the usual case, without a timer
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(BUSY_SECONDS if self.is_sqlite else CONNECT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise _store_down() from error

    def _transact(self, transaction: AbstractContextManager[sa.Connection], work: Work[T]) -> T:
        try:
            with transaction as connection:
                return work(connection)
        except (OperationalError, InterfaceError, OSError) as error:
            raise _store_down(_Busy if _is_busy(error) else StoreDown) from error
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise StoreDown("the database closed the connection", retry_after=2) from error

    @contextmanager
    def _begin_in_loop(self) -> Iterator[sa.Connection]:
        """SQLite's. It neither waits nor brings the file up to date with the log of writes: threads do."""
        if self._in_loop is None:
            self._in_loop = self._hold_connection()
            with self._in_loop.begin():
                for setting in ("busy_timeout=0", "wal_autocheckpoint=0"):
                    self._in_loop.exec_driver_sql(f"PRAGMA {setting}")
        with self._in_loop.begin():
            yield self._in_loop

    @contextmanager
    def _begin_in_thread(self) -> Iterator[sa.Connection]:
        if not self.is_sqlite:
            with self._engine.begin() as connection:
                yield connection
            return
        held: sa.Connection | None = getattr(self._in_thread, "connection", None)
        if held is None:
            held = self._in_thread.connection = self._hold_connection()
        with held.begin():
            yield held

    def _hold_connection(self) -> sa.Connection:
        """To SQLite. Nothing can happen to it while it rests, so no pool has to hand it out."""
        connection = self._engine.connect()
        self._held.append(connection)
        return connection

    def _create_engine(self) -> sa.Engine:
        """Parameters are hidden from errors, which are logged: they are people's messages. Of PostgreSQL's connections
        the one that was used last comes first: it has its statements ready."""
        options: dict[str, Any] = {"pool_size": POOL_SIZE, "pool_use_lifo": True, "hide_parameters": True}
        if not self.is_sqlite:
            return sa.create_engine(self.url, **options, pool_pre_ping=True, connect_args=_PATIENCE)
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(self.url, **options, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine


class _Busy(StoreDown):
    """Another process writes to SQLite."""


def _is_busy(error: Exception) -> bool:
    return getattr(getattr(error, "orig", None), "sqlite_errorname", "").startswith("SQLITE_BUSY")


def _store_down(kind: type[StoreDown] = StoreDown) -> StoreDown:
    return kind("the database does not answer; see DATABASE_URL", retry_after=2)


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.create_function(SQLITE_CLOCK, 0, time.time)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KB}")
    cursor.close()
