"""A database: transactions in, and every driver's failure as StoreDown. A subclass knows what one engine does its way.

A transaction is one hop to a thread and back: an async driver hops for every statement, every fetch and the commit,
which costs more than the database does.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar, Union

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError

from core.model.errors import NotStorable, StoreDown
from core.store.errors import StoreUnusable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")
Work = Callable[[sa.Connection], T]
Insert: TypeAlias = Union["sqlite.Insert", "postgresql.Insert"]

POOL_SIZE = 10
"""Threads and connections per process. Transactions take milliseconds, so a thousand sessions share these few."""
CONNECT_SECONDS = 5
"""A database that does not answer within this is down, and callers are told so."""
RETRY_SECONDS = 2
"""After which a caller who was told so may ask again."""


class Database(ABC):
    """One engine. Every call is a transaction of its own: committed at its end, rolled back by an exception.

    It is carried through whatever becomes of who asked for it: a caller that is cancelled just no longer waits. All
    raise NotStorable and StoreDown. Until the schema is up to date all raise StoreDown but `run_unready`, which is for
    whoever brings it up to date.
    """

    thread_wait_seconds: ClassVar[float]
    """How long a transaction waits for a free thread."""

    def __init__(self) -> None:
        self.is_migrated = False
        self._engine = self._create_engine()
        self._threads = ThreadPoolExecutor(POOL_SIZE, "store")
        self._free = asyncio.Semaphore(POOL_SIZE)

    @property
    @abstractmethod
    def address(self) -> str:
        """For people: without the password, nor what else may be secret."""

    @staticmethod
    @abstractmethod
    def insert(table: sa.Table) -> Insert:
        """An INSERT that can be given an ON CONFLICT."""

    @abstractmethod
    async def prepare(self) -> None:
        """What the engine needs before anything else is done with the database.

        Raises StoreDown, and StoreUnusable or OSError where waiting is of no use.
        """

    @abstractmethod
    def lock_schema(self, connection: sa.Connection) -> None:
        """One migration at a time: until the transaction ends, others wait here."""

    @abstractmethod
    def is_unusable(self, error: BaseException | None) -> bool:
        """Whether the cause of a StoreDown at the start is one that does not pass by itself."""

    def unusable(self, reason: BaseException | str | None) -> StoreUnusable:
        told = str(getattr(reason, "orig", None) or reason).partition("\n")[0]
        return StoreUnusable(f"the database cannot be used: {told}; see DATABASE_URL, here {self.address}")

    async def rows(self, statement: sa.Executable, **parameters: Any) -> Sequence[sa.Row[Any]]:
        """However many."""
        return await self.run_in_thread(lambda connection: connection.execute(statement, parameters).all())

    async def row(self, statement: sa.Executable, **parameters: Any) -> sa.Row[Any] | None:
        """The only one, or none."""
        return await self.run(lambda connection: connection.execute(statement, parameters).one_or_none())

    async def value(self, statement: sa.Executable, **parameters: Any) -> Any:
        """Of the only column of the only row; None without one."""
        return await self.run(lambda connection: connection.execute(statement, parameters).scalar_one_or_none())

    async def change(self, statement: sa.Executable, **parameters: Any) -> int:
        """How many rows it has changed."""
        return await self.run(lambda connection: connection.execute(statement, parameters).rowcount)

    async def run(self, work: Work[T]) -> T:
        """For more than one statement: `work` reads its results to their end.

        It takes a millisecond at most, for the event loop may have to wait for it, and it may be called twice: nothing
        is left of the first time then.
        """
        return await self.run_in_thread(work)

    async def run_in_thread(self, work: Work[T]) -> T:
        """The same for what may take longer."""
        self._check_ready()
        return await self.run_unready(work)

    async def run_unready(self, work: Work[T]) -> T:
        """And for whoever brings the schema up to date."""
        await self._wait_for_thread()

        def transact() -> T:
            return self._transact(self._begin(), work)

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
        self._close_connections()

    def _close_connections(self) -> None:
        self._engine.dispose()

    @abstractmethod
    def _create_engine(self) -> sa.Engine: ...

    @abstractmethod
    def _begin(self) -> AbstractContextManager[sa.Connection]:
        """A transaction in one of the threads."""

    def _check_ready(self) -> None:
        if not self.is_migrated:
            raise StoreDown("the database is not ready yet", retry_after=RETRY_SECONDS)

    async def _wait_for_thread(self) -> None:
        if not self._free.locked():  # the usual case, without a timer
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self.thread_wait_seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise self._down(error) from error

    def _transact(self, transaction: AbstractContextManager[sa.Connection], work: Work[T]) -> T:
        try:
            with transaction as connection:
                return work(connection)
        except (DataError, UnicodeEncodeError, OverflowError) as error:
            raise NotStorable("the database does not take one of the values") from error
        except (DBAPIError, OSError) as error:
            if not self._is_outage(error):
                raise
            raise self._down(error) from error

    def _is_outage(self, error: DBAPIError | OSError) -> bool:
        """Rather than a mistake of ours."""
        return isinstance(error, OperationalError | InterfaceError | OSError) or error.connection_invalidated

    def _down(self, _: Exception) -> StoreDown:
        return StoreDown("the database does not answer; see DATABASE_URL", retry_after=RETRY_SECONDS)


def create_engine(url: sa.URL | str, **options: Any) -> sa.Engine:
    """Parameters are hidden from errors, which are logged: they are people's messages. Of several connections the one
    that was used last comes first: it has its statements ready."""
    return sa.create_engine(url, pool_size=POOL_SIZE, pool_use_lifo=True, hide_parameters=True, **options)
