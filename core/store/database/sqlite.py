"""SQLite: a file that the processes of one machine share.

A short transaction takes less time than the hop to a thread: it is tried in the event loop, and goes to a thread where
it would have to wait for another process's write.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from core.model.errors import StoreDown
from core.store.database.base import RETRY_SECONDS, Database, T, Work, create_engine
from core.store.errors import StoreUnusable
from core.store.schema import db_now, first_bytes, json_member

BUSY_SECONDS = 30
"""How long SQLite waits for another process's write: far longer than any of ours takes."""
CACHE_KB = 256
"""Per connection to SQLite, which would take 2 MB; the system has the file in memory anyway."""
EXAMPLE_URL = "sqlite:///data/hopstream.db"
CLOCK = "hopstream_now"
"""SQLite's own clock counts milliseconds, in which several turns are queued; each connection gets this function."""

_LASTING = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")
"""A file that cannot be opened or written to at the start. (One that is no database is no outage to begin with.)"""


class SqliteDatabase(Database):
    thread_wait_seconds = BUSY_SECONDS

    def __init__(self, url: str) -> None:
        """Raises StoreUnusable."""
        self._url = parse_url(url)
        super().__init__()
        self._in_loop: sa.Connection | None = None
        self._in_thread = threading.local()
        self._held: list[sa.Connection] = []

    @property
    def address(self) -> str:
        return self._url.set(query={}).render_as_string()

    @staticmethod
    def insert(table: sa.Table) -> sqlite.Insert:
        return sqlite.insert(table)

    async def prepare(self) -> None:
        """Its folder, and its log of writes (WAL): readers and one writer at the same time."""
        file = self._url.database or ""
        if not file.startswith("file:"):
            await asyncio.to_thread(Path(file).parent.mkdir, parents=True, exist_ok=True)
        # SQLite's busy timeout does not cover this switch, so retry it.
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_Busy),
            wait=wait_random_exponential(0.05, max=0.5),
            stop=stop_after_delay(BUSY_SECONDS),
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                await self.run_unready(_switch_to_wal)

    def lock_schema(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def is_unusable(self, error: BaseException | None) -> bool:
        return _name_of(error).startswith(_LASTING)

    async def run(self, work: Work[T]) -> T:
        """In the event loop, if nobody else writes."""
        self._check_ready()
        with suppress(_Busy):
            return self._transact(self._begin_in_loop(), work)
        return await self.run_unready(work)

    @contextmanager
    def _begin_in_loop(self) -> Iterator[sa.Connection]:
        """It neither waits nor brings the file up to date with the log of writes: threads do."""
        if self._in_loop is None:
            self._in_loop = self._hold_connection()
            with self._in_loop.begin():
                for setting in ("busy_timeout=0", "wal_autocheckpoint=0"):
                    self._in_loop.exec_driver_sql(f"PRAGMA {setting}")
        with self._in_loop.begin():
            yield self._in_loop

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        held: sa.Connection | None = getattr(self._in_thread, "connection", None)
        if held is None:
            held = self._in_thread.connection = self._hold_connection()
        with held.begin():
            yield held

    def _hold_connection(self) -> sa.Connection:
        """Nothing can happen to it while it rests, so no pool has to hand it out."""
        connection = self._engine.connect()
        self._held.append(connection)
        return connection

    def _close_connections(self) -> None:
        for connection in self._held:
            connection.close()
        super()._close_connections()

    def _create_engine(self) -> sa.Engine:
        engine = create_engine(self._url, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(engine, "connect", _set_up)
        return engine

    def _is_outage(self, error: DBAPIError | OSError) -> bool:
        """The driver calls a wrong statement and a missing table an operational error, too."""
        return super()._is_outage(error) and _name_of(error) != "SQLITE_ERROR"

    def _down(self, error: Exception) -> StoreDown:
        if _name_of(error).startswith("SQLITE_BUSY"):
            return _Busy("another process writes to the database", retry_after=RETRY_SECONDS)
        return super()._down(error)


def parse_url(url: str) -> sa.URL:
    """Raises StoreUnusable."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreUnusable(f"DATABASE_URL is not a URL such as {EXAMPLE_URL}") from error
    if parsed.host or not parsed.database:
        raise StoreUnusable(f"DATABASE_URL has three slashes and then the path of a file, as {EXAMPLE_URL}")
    if ":memory:" in parsed.database:
        raise StoreUnusable("DATABASE_URL names a database in memory, which other processes cannot see")
    return parsed.set(drivername="sqlite")


class _Busy(StoreDown):
    """Another process writes."""


def _name_of(error: BaseException | None) -> str:
    """SQLite's own name of what went wrong."""
    return getattr(getattr(error, "orig", None), "sqlite_errorname", "")


def _switch_to_wal(connection: sa.Connection) -> None:
    connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()


def _set_up(connection: sqlite3.Connection, _: object) -> None:
    connection.create_function(CLOCK, 0, time.time)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KB}")
    cursor.close()


@compiles(db_now, "sqlite")
def _now(*_: Any, **__: Any) -> str:
    return f"{CLOCK}()"


@compiles(json_member, "sqlite")
def _member(element: json_member, compiler: SQLCompiler, **options: Any) -> str:
    """A path, as `json_extract` takes it, finds no name that has quotation marks or that JSON writes with escapes."""
    column, name = (compiler.process(each, **options) for each in element.clauses)
    return f"(SELECT value FROM json_each({column}) WHERE key = {name})"  # noqa: S608 - of a parameter's place


@compiles(first_bytes, "sqlite")
def _first_bytes(element: first_bytes, compiler: SQLCompiler, **options: Any) -> str:
    text, count = (compiler.process(each, **options) for each in element.clauses)
    return f"substr(CAST({text} AS BLOB), 1, {count})"
