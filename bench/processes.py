"""The processes of a measurement: started with a log each, watched until they answer, stopped in order."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Self

from core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60  # a cold start compiles every module
STOP_SECONDS = 20  # after SIGTERM, before SIGKILL
POLL_SECONDS = 0.1
PORTS = range(10_000, 32_768)  # below those that systems give to connections
LOG_LINES = 20  # of each process, shown when something does not come up


class StartError(Exception):
    """Something cannot be started; the message says why."""


class Processes:
    """`with Processes() as processes:`; they end with the block. Names are for people, and for the books.

    No setting of the caller's environment, and no `.env`, gets in.
    """

    def __init__(self) -> None:
        self._resources = ExitStack()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.home = Path(self._resources.enter_context(TemporaryDirectory(prefix="hopstream-bench-")))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop(list(self._running))
        self._resources.close()

    def stop(self, names: Sequence[str]) -> None:
        """The last one first; those that have ended already are no matter."""
        stopped = [process for name in reversed(names) if (process := self._running.pop(name, None))]
        for process in stopped:
            process.send_signal(signal.SIGTERM)
        for process in stopped:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._running.items()}

    def run(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> None:
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        log: IO[bytes] = self._resources.enter_context(self._log(name).open("wb"))
        self._running[name] = subprocess.Popen(
            command,
            cwd=self.home,
            env={**inherited, "PYTHONPATH": str(ROOT), **(env or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the bench, which then stops them in order
        )

    def run_module(self, name: str, *module: str, env: Mapping[str, str] | None = None) -> None:
        self.run(name, sys.executable, "-m", *module, env=env)

    async def first_line(self, name: str) -> str:
        """What a process printed first."""

        async def has_line() -> bool:
            return bool(self._lines(name))

        await self.until(has_line, f"the first line of {name}")
        return self._lines(name)[0]

    async def until(self, is_so: Callable[[], Awaitable[bool]], what: str, seconds: float = READY_SECONDS) -> None:
        """Raises StartError with the logs' last lines, also when a process ends by itself."""
        deadline = time.monotonic() + seconds
        while not await is_so():
            dead = [name for name, process in self._running.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                reason = f"{dead[0]} ended by itself" if dead else f"waited {seconds:g} s for {what}"
                raise StartError("\n".join([reason, *(self._last_lines(name) for name in dead or self._running)]))
            await asyncio.sleep(POLL_SECONDS)

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def _lines(self, name: str) -> list[str]:
        return self._log(name).read_text(errors="replace").splitlines()

    def _last_lines(self, name: str) -> str:
        return "\n".join([f"--- {name}", *self._lines(name)[-LOG_LINES:]])


def free_port() -> int:
    """For a process that takes it a moment later. None of those that the system gives to connections meanwhile, and
    hardly one that another run of the tests takes: a random one."""
    while True:
        port = random.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
