"""PostgreSQL: a server that any number of machines share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles

from core.store.database.base import CONNECT_SECONDS, Database, create_engine
from core.store.schema import db_now

SCHEMA_LOCK = 0x686F7073
"""The advisory lock for one migration at a time; the number has no meaning but to be ours ("hops")."""
TABLE_LOCK_SECONDS = 1
"""How long a migration waits for a table, which a backup may hold: all other processes wait behind it meanwhile, and
must not fall silent (SILENT_SECONDS). It is tried again."""

_PATIENCE = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": CONNECT_SECONDS * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""libpq's: a machine that is gone without a word is noticed, too, which by default takes a quarter of an hour."""


class PostgresqlDatabase(Database):
    thread_wait_seconds = CONNECT_SECONDS

    @staticmethod
    def insert(table: sa.Table) -> postgresql.Insert:
        return postgresql.insert(table)

    async def prepare(self) -> None:
        """Nothing: a server is as its operator has set it up."""

    def lock_schema(self, connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
        connection.execute(sa.select(sa.func.set_config("lock_timeout", f"{TABLE_LOCK_SECONDS}s", sa.true())))

    def is_unusable(self, error: BaseException | None) -> bool:
        """A wrong password or a missing database, too, may be put right on the server while we wait, and libpq does not
        tell them from a server that starts; what it does tell is no outage to begin with."""
        return False

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection

    def _create_engine(self) -> sa.Engine:
        return create_engine(self.url, pool_pre_ping=True, connect_args=_PATIENCE)


@compiles(db_now, "postgresql")
def _now(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"
