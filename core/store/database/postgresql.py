"""PostgreSQL: a server that any number of machines share, perhaps one of several, perhaps behind a pooler.

URLs are read by libpq itself, so that whatever it knows can be said in them: several hosts, sockets, certificates.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_dumps
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from core.store.database.base import CONNECT_SECONDS, Database, create_engine
from core.store.errors import StoreUnusable
from core.store.schema import db_now, first_bytes, json_member

SCHEMA_LOCK = 0x686F7073
"""The advisory lock for one migration at a time; the number has no meaning but to be ours ("hops")."""
TABLE_LOCK_SECONDS = 1
"""How long a migration waits for a table, which a backup may hold: all other processes wait behind it meanwhile, and
must not fall silent (SILENT_SECONDS). It is tried again."""
ENCODINGS = ("UTF8", "SQL_ASCII")
"""That have room for all characters."""

_PATIENCE = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": CONNECT_SECONDS * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "client_encoding": "utf8",
}
"""libpq's: a machine that is gone without a word is noticed, too, which by default takes a quarter of an hour."""
_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")
_UNKNOWN_OPTION = re.compile(r'invalid (?:URI query parameter|connection option).*"(\w+)"')
_NO_LONGER_USABLE = frozenset({"25006", "26000", "42P05"})
"""Of a connection, whose server is read-only now, or to which a pooler has given another one's statements."""


class PostgresqlDatabase(Database):
    thread_wait_seconds = CONNECT_SECONDS

    def __init__(self, url: str) -> None:
        """Raises StoreUnusable."""
        self._conninfo = parse_conninfo(url)
        super().__init__()

    @property
    def address(self) -> str:
        told = {name: self._conninfo.get(name) or "" for name in ("user", "host", "port", "dbname")}
        secret = ":***" if "password" in self._conninfo else ""
        return f"postgresql://{told['user']}{secret}@{told['host']}:{told['port']}/{told['dbname']}"

    @staticmethod
    def insert(table: sa.Table) -> postgresql.Insert:
        return postgresql.insert(table)

    async def prepare(self) -> None:
        """Raises StoreUnusable for an encoding in which not all can be stored."""
        encoding = await self.run_unready(_encoding)
        if encoding not in ENCODINGS:
            raise self.unusable(f"its encoding is {encoding}, and has to be UTF8 (CREATE DATABASE … ENCODING 'UTF8')")

    def lock_schema(self, connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
        connection.execute(sa.select(sa.func.set_config("lock_timeout", f"{TABLE_LOCK_SECONDS}s", sa.true())))

    def is_unusable(self, error: BaseException | None) -> bool:
        """A wrong password or a missing database, too, may be put right on the server while we wait, and libpq does not
        tell them from a server that starts; a read-only one may be a standby that is about to be promoted. What can be
        told is no outage to begin with."""
        return False

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection

    def _create_engine(self) -> sa.Engine:
        options: dict[str, Any] = {**_PATIENCE, **self._conninfo}
        engine = create_engine("postgresql+psycopg://", pool_pre_ping=True, creator=lambda: psycopg.connect(**options))
        sa.event.listen(engine, "connect", _set_up)
        sa.event.listen(engine, "handle_error", _give_up_connections)
        return engine


def parse_conninfo(url: str) -> dict[str, Any]:
    """libpq's options. Raises StoreUnusable, without what may be a password."""
    try:
        conninfo = conninfo_to_dict(_SCHEME.sub("postgresql://", url)) if _SCHEME.match(url) else {}
    except psycopg.ProgrammingError as error:
        unknown = _UNKNOWN_OPTION.search(str(error))
        if unknown is not None:
            raise StoreUnusable(f"DATABASE_URL has the option {unknown[1]}, which PostgreSQL does not know") from None
        conninfo = {}
    ports = str(conninfo.get("port") or "").split(",")
    if not conninfo or not all(port.isdecimal() or not port for port in ports):
        raise StoreUnusable(
            "DATABASE_URL is not a URL such as postgresql://user:password@host/database; in a password / ? # @ : and % "
            "are written as %XX"
        )
    return conninfo


def _set_up(connection: psycopg.Connection[Any], _: object) -> None:
    """Letters are written into JSON as they are: with the encoding SQL_ASCII, PostgreSQL reads none that has escapes.

    A pooler in transaction mode gives each transaction any of its connections, on which our prepared statements are
    unknown; that there is one shows by the server's process, which is not the one that greeted us."""
    set_json_dumps(_write_json, connection)
    with connection.transaction():
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
    if row is not None and row[0] != connection.info.backend_pid:
        connection.prepare_threshold = None


def _give_up_connections(context: ExceptionContext) -> None:
    """All of the pool's: new ones may come to another server, or to this one in its new state."""
    if getattr(context.original_exception, "sqlstate", None) in _NO_LONGER_USABLE:
        context.is_disconnect = True


def _encoding(connection: sa.Connection) -> str:
    encoding: str = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    return encoding


def _write_json(value: Any) -> str:
    """Letters as they are."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # halves of characters
        return json.dumps(value)
    return text


@compiles(db_now, "postgresql")
def _now(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(json_member, "postgresql")
def _member(element: json_member, compiler: SQLCompiler, **options: Any) -> str:
    column, name = (compiler.process(each, **options) for each in element.clauses)
    return f"({column} ->> {name})"


@compiles(first_bytes, "postgresql")
def _first_bytes(element: first_bytes, compiler: SQLCompiler, **options: Any) -> str:
    """Not characters, which a server without an encoding does not know."""
    text, count = (compiler.process(each, **options) for each in element.clauses)
    return f"substr(convert_to({text}, getdatabaseencoding()), 1, {count})"
