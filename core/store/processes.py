"""Heartbeats: one row per worker and per API process, renewed every second, that also tells the process's version."""

import sqlalchemy as sa

from core.store.database.base import Database
from core.store.schema import db_now, processes
from core.version import FORMAT, VERSION

SILENT_SECONDS = 3.5
"""A process not seen for this long is taken for dead, after three or four missed heartbeats. A takeover may take 5 s;
eighty of them at once need a second of two busy cores."""
FORGET_SECONDS = 3600.0
"""Rows of dead processes are kept this long for whoever looks at the table, then removed."""


def alive() -> sa.Select[tuple[str]]:
    """The ids of the processes that were seen lately, as a subquery."""
    return sa.select(processes.c.process_id).where(processes.c.seen_at > db_now() - SILENT_SECONDS)


def silent() -> sa.Select[tuple[str]]:
    """The ids of those that were not, and did not say goodbye, as a subquery."""
    return sa.select(processes.c.process_id).where(processes.c.seen_at <= db_now() - SILENT_SECONDS)


_COUNT_ALIVE = (
    sa.select(sa.func.count())
    .select_from(processes)
    .where(processes.c.kind == sa.bindparam("kind"), processes.c.process_id.in_(alive()))
)
_OLDEST_FORMAT = sa.select(sa.func.min(sa.func.coalesce(processes.c.format, 1))).where(
    processes.c.process_id.in_(alive())
)
_LEAVE = sa.delete(processes).where(
    (processes.c.process_id == sa.bindparam("leaving")) | (processes.c.seen_at < db_now() - FORGET_SECONDS)
)


class Processes:
    def __init__(self, database: Database) -> None:
        self._database = database
        row = database.insert(processes).values(version=VERSION, format=FORMAT, started_at=db_now(), seen_at=db_now())
        self._beat = row.on_conflict_do_update(index_elements=["process_id"], set_={"seen_at": db_now()})

    async def beat(self, process_id: str, kind: str) -> None:
        """In a thread, which keeps SQLite's log of writes short."""
        parameters = {"process_id": process_id, "kind": kind}
        await self._database.run_in_thread(lambda connection: connection.execute(self._beat, parameters))

    async def oldest_format(self) -> int:
        """The format (`core.version`) that every process alive can read, this one included."""
        oldest: int | None = await self._database.value(_OLDEST_FORMAT)
        return FORMAT if oldest is None else min(oldest, FORMAT)

    async def leave(self, process_id: str) -> None:
        """A process that stops in order is gone at once; its turns need not wait for its silence."""
        await self._database.change(_LEAVE, leaving=process_id)

    async def count_alive(self, kind: str) -> int:
        count: int = await self._database.value(_COUNT_ALIVE, kind=kind)
        return count
