"""A private PostgreSQL server for the tests: in a folder of its own, on a free port, gone with them.

PostgreSQL refuses to run as root; there it runs as the user `postgres` that its package makes.
"""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from bench.processes import free_port
from tests.patience import PATIENCE_SECONDS

OPTIONS = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200"


def find_binaries() -> Path | None:
    """Where initdb is: $HOPSTREAM_TEST_POSTGRES_BIN, the path, or the newest of Debian's packages."""
    if asked := os.environ.get("HOPSTREAM_TEST_POSTGRES_BIN"):
        return Path(asked)
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


class Postgres:
    def __init__(self, binaries: Path, primary: "Postgres | None" = None) -> None:
        """`primary`: of which this is a standby."""
        self._binaries = binaries
        self._primary = primary
        self._home = Path(tempfile.mkdtemp(prefix="hopstream-postgres-"))
        self.port = free_port()
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self._home, self._user)
        try:
            if self._primary is None:
                self._run(
                    "initdb", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-U", "test", "-D", "data"
                )
            else:
                source = self._primary.url("postgres")
                self._run("pg_basebackup", "-D", "data", "-d", source, "-R", "--checkpoint=fast", "--no-sync")
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop(check=False)
        shutil.rmtree(self._home, ignore_errors=True)

    def start(self) -> None:
        options = f"{OPTIONS} -p {self.port} -k {self._home} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self, *, check: bool = True) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", "fast", "stop", check=check)

    def standby(self) -> "Postgres":
        return Postgres(self._binaries, self)

    def promote(self) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "promote")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def new_database(self, encoding: str = "UTF8") -> str:
        """The URL of an empty one."""
        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            create = "CREATE DATABASE {} ENCODING {} TEMPLATE template0"
            connection.execute(sql.SQL(create).format(sql.Identifier(name), sql.Literal(encoding)))
        return self.url(name)

    def url(self, database: str, scheme: str = "postgresql") -> str:
        return f"{scheme}://test@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self._binaries / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", self._user, "--", *command]
        done = subprocess.run(
            command,
            cwd=self._home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{program}: {done.stdout.decode(errors='replace')}")
