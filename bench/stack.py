"""The whole product on free ports, for a measurement: mock upstream, API and one worker, each a process of its own.

RabbitMQ is the one of `RABBIT_MQ`; everything else is new and gone afterwards. No other setting of the caller's
environment, and no `.env`, gets in.
"""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

import aio_pika
import aiohttp

from bench.leftovers import forget
from core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60  # a cold start compiles every module
STOP_SECONDS = 20  # after SIGTERM, before SIGKILL
POLL_SECONDS = 0.1
LOG_LINES = 20  # of each process, shown when the stack does not come up
DEFAULT_BROKER = "amqp://guest:guest@localhost/"
HEAD_LIMIT = ("--http", "api.protocol:BoundedHeadProtocol")


class StackError(Exception):
    """The stack cannot be started; the message says why."""


class Stack:
    """`async with Stack(concurrency) as stack:`, then `stack.api` and `stack.mock` are the URLs."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._broker = os.environ.get("RABBIT_MQ", "").strip() or DEFAULT_BROKER
        self._prefix = f"bench-{secrets.token_hex(4)}."  # workers of others on this broker never see our jobs
        self._resources = ExitStack()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    async def __aenter__(self) -> Self:
        await _check(self._broker)
        self._home = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="hopstream-bench-")))
        try:
            await self._start()
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._stop()
        await forget(self._broker, self._prefix)

    async def _start(self) -> None:
        self._run("mock", "bench.mock_upstream", "--port", "0")
        self.mock = await self._printed_url()
        port = _free_port()
        self.api = f"http://127.0.0.1:{port}"
        self._run("api", "uvicorn", "api.app:app", "--port", str(port), "--no-access-log", *HEAD_LIMIT)
        self._run("worker", "celery", "-A", "workers.app", "worker", "--concurrency", str(self._concurrency))
        await self._healthy()

    def _run(self, name: str, *module: str) -> None:
        log: IO[bytes] = self._resources.enter_context(self._log(name).open("wb"))
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=self._home,
            env=self._environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the bench, which then stops them in order
        )

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        return inherited | {
            "PYTHONPATH": str(ROOT),
            "RABBIT_MQ": self._broker,
            "RABBIT_MQ_PREFIX": self._prefix,
            "DATABASE_URL": f"sqlite:///{self._home}/bench.db",
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": f"{getattr(self, 'mock', '')}/v1",
            "OPENAI_MODEL": "mock",
        }

    async def _printed_url(self) -> str:
        deadline = time.monotonic() + READY_SECONDS
        while not (lines := self._log("mock").read_text().splitlines()):
            await self._wait_for("the mock upstream", deadline)
        return lines[0]

    async def _healthy(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        async with aiohttp.ClientSession() as http:
            while not await _has_worker(http, self.api):
                await self._wait_for("the API's /health with a worker", deadline)

    async def _wait_for(self, what: str, deadline: float) -> None:
        dead = [name for name, process in self._processes.items() if process.poll() is not None]
        if dead or time.monotonic() > deadline:
            reason = f"{dead[0]} ended by itself" if dead else f"waited {READY_SECONDS} s for {what}"
            raise StackError("\n".join([reason, *(self._last_lines(name) for name in dead or self._processes)]))
        await asyncio.sleep(POLL_SECONDS)

    def _log(self, name: str) -> Path:
        return self._home / f"{name}.log"

    def _last_lines(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"--- {name}", *lines])

    def _stop(self) -> None:
        for process in reversed(self._processes.values()):
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._resources.close()


async def _has_worker(http: aiohttp.ClientSession, api: str) -> bool:
    try:
        async with http.get(f"{api}/health") as response:
            return response.status == 200 and (await response.json())["workers"] > 0
    except aiohttp.ClientError:
        return False


async def _check(broker: str) -> None:
    try:
        await (await aio_pika.connect(broker, timeout=READY_SECONDS)).close()
    except (aio_pika.exceptions.AMQPError, OSError) as error:
        raise StackError(f"RabbitMQ does not answer, see RABBIT_MQ: {error}") from error


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
