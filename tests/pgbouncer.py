"""A private PgBouncer before a PostgreSQL of the tests, in transaction mode."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psycopg

from bench.processes import free_port
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.postgres import Postgres

CONFIG = """\
[databases]
* = host=127.0.0.1 port={server_port} user=test
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
logfile = {home}/pgbouncer.log
pidfile = {home}/pgbouncer.pid
unix_socket_dir =
"""


class PgBouncer:
    """`with PgBouncer(postgres) as pooler:`, then `pooler.url(url)` is that database by way of it."""

    def __init__(self, postgres: Postgres) -> None:
        self._server_port = postgres.port
        self._port = free_port()

    def __enter__(self) -> Self:
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        require(Path(program).exists(), "no PgBouncer; install the package pgbouncer")
        self._home = Path(tempfile.mkdtemp(prefix="hopstream-pgbouncer-"))
        config = self._home / "pgbouncer.ini"
        config.write_text(CONFIG.format(server_port=self._server_port, port=self._port, home=self._home))
        user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # it refuses to run as root
        if os.geteuid() == 0:
            for path in (self._home, config):
                shutil.chown(path, user)
        self._process = subprocess.Popen(
            [program, str(config)],
            user=user if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self._home / "pgbouncer.log").read_text()
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        shutil.rmtree(self._home, ignore_errors=True)

    def url(self, url: str) -> str:
        return url.replace(f":{self._server_port}/", f":{self._port}/")

    def _answers(self) -> bool:
        try:
            psycopg.connect(f"postgresql://test@127.0.0.1:{self._port}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
