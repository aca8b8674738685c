"""A Redis of a test's own: on a free port, in a folder of its own, gone with the test."""

import shutil
import signal
import subprocess
from pathlib import Path
from time import monotonic, sleep
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from bench.processes import free_port
from tests.parts import require
from tests.patience import PATIENCE_SECONDS


class RedisServer:
    """`with RedisServer(folder) as redis:`"""

    def __init__(self, home: Path, *, persists: bool = True) -> None:
        require(shutil.which("redis-server"), "no redis-server; install the package redis-server")
        self._home = home
        self._persists = persists
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "yes" if self._persists else "no", "--loglevel", "warning"]
        self._process = subprocess.Popen(command, cwd=self._home, stdout=subprocess.DEVNULL)
        deadline = monotonic() + PATIENCE_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except RedisError:
                    assert monotonic() < deadline, "Redis does not start"
                    sleep(0.02)
                else:
                    return

    def client(self) -> Redis:
        return Redis.from_url(self.url, protocol=2)

    def publish(self, channel: str, text: str | bytes) -> int:
        """As anybody may. How many heard it."""
        with self.client() as client:
            return int(client.publish(channel, text))

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
