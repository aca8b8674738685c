"""Heartbeats: one row for each process that owns turns, renewed every second, that also tells the process's version."""

from time import monotonic

import sqlalchemy as sa

from core.model.model_states import NO_STATES, ModelStates, merged
from core.store.database.base import Database
from core.store.liveness import IS_SILENT, SILENT_SECONDS, Liveness, alive
from core.store.schema import db_now, processes
from core.version import FORMAT, VERSION

FORGET_SECONDS = 3600.0
"""Rows of dead processes are kept this long for whoever looks at the table, then removed."""

_GREATEST_BEAT = sa.select(sa.func.coalesce(sa.func.max(processes.c.beat), 0))
_IS_ALIVE = sa.case(
    (sa.bindparam("silent_beat", type_=sa.BigInteger) == 0, processes.c.seen_at > db_now() - SILENT_SECONDS),
    else_=sa.not_(IS_SILENT),
)
"""For a number that people read a clock is good enough, as long as this process cannot tell yet."""
_COUNT_ALIVE = (
    sa.select(sa.func.count()).select_from(processes).where(processes.c.kind == sa.bindparam("kind"), _IS_ALIVE)
)
_OLDEST_FORMAT = sa.select(sa.func.min(sa.func.coalesce(processes.c.format, 1))).where(
    processes.c.process_id.in_(alive())
)
_MODEL_STATES = sa.select(processes.c.circuits, processes.c.engines).where(
    processes.c.circuits.is_not(None) | processes.c.engines.is_not(None), _IS_ALIVE
)
_LEAVE = sa.delete(processes).where(
    (processes.c.process_id == sa.bindparam("leaving"))
    | (IS_SILENT & (processes.c.seen_at < db_now() - FORGET_SECONDS))
)


class Processes:
    def __init__(self, database: Database, liveness: Liveness) -> None:
        self._database = database
        self._liveness = liveness
        others = processes.alias()  # SQLite would take the row itself, PostgreSQL the table
        next_beat = sa.select(sa.func.coalesce(sa.func.max(others.c.beat), 0) + 1).scalar_subquery()
        states = {name: sa.bindparam(name, type_=processes.c[name].type) for name in ModelStates._fields}
        row = database.insert(processes).values(
            version=VERSION, format=FORMAT, started_at=db_now(), seen_at=db_now(), beat=next_beat, **states
        )
        renewed = {"seen_at": db_now(), "beat": next_beat, **states}
        self._beat = row.on_conflict_do_update(index_elements=["process_id"], set_=renewed)

    async def beat(self, process_id: str, kind: str, states: ModelStates = NO_STATES) -> None:
        """In a thread, which keeps SQLite's log of writes short."""
        told = {name: state or None for name, state in states._asdict().items()}
        parameters = {"process_id": process_id, "kind": kind, **told}
        await self._database.run_in_thread(lambda connection: connection.execute(self._beat, parameters))

    async def look(self) -> None:
        """See which heartbeats there are: to be called more often than they come."""
        at = monotonic()
        self._liveness.look(at, await self._database.value(_GREATEST_BEAT))

    async def oldest_format(self) -> int:
        """The format (`core.version`) that every process alive can read, this one included."""
        oldest: int | None = await self._database.value(_OLDEST_FORMAT, silent_beat=self._liveness.silent_beat)
        return FORMAT if oldest is None else min(oldest, FORMAT)

    async def model_states(self) -> ModelStates:
        """Of all processes alive."""
        rows = await self._database.rows(_MODEL_STATES, silent_beat=self._liveness.silent_beat)
        return merged(ModelStates(row.circuits or {}, row.engines or {}) for row in rows)

    async def leave(self, process_id: str) -> None:
        """A process that stops in order is gone at once; its turns need not wait for its silence."""
        await self._database.change(_LEAVE, leaving=process_id, silent_beat=self._liveness.silent_beat)

    async def count_alive(self, kind: str) -> int:
        count: int = await self._database.value(_COUNT_ALIVE, kind=kind, silent_beat=self._liveness.silent_beat)
        return count
