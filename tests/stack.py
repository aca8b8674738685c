"""Real processes for tests: a mock upstream, API processes and workers, on one broker and one database.

Every stack has its own prefix for queue names and its own database, so that stacks do not see one another, nor an
installation that runs on the same broker.
"""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import aio_pika
import httpx

from bench.leftovers import forget
from bench.processes import free_port
from core.settings import Settings
from tests import leaks
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api, Process, Worker

ROOT = Path(__file__).parent.parent
BROKER = os.environ.get("RABBIT_MQ", "").strip() or "amqp://guest:guest@localhost/"
"""Read when the tests are collected, before the environment is wiped."""
POLL_SECONDS = 0.05

P = TypeVar("P", bound=Process)
T = TypeVar("T")


class Stack:
    """`with Stack(home) as stack:` starts the mock upstream; APIs and workers are started by the test."""

    def __init__(self, home: Path, broker: str = BROKER, **environment: str) -> None:
        self.home = home
        self.broker = broker
        self.prefix = f"t{secrets.token_hex(4)}."
        self.mock_url = ""
        self.processes: list[Process] = []
        self._environment = environment
        self._numbers = count()

    def __enter__(self) -> Self:
        leaks.keepers.add(self)
        mock = self._start(Process, "mock", ["bench.mock_upstream", "--port", "0", "--rate", "0", "--ttft", "0"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (lines := mock.output().splitlines()):
            self._still_waiting("the mock upstream", deadline, mock)
        self.mock_url = lines[0].split()[-1].rstrip("/")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop(self.processes)
        finally:
            run_elsewhere(forget(self.broker, self.prefix))

    def descriptors(self) -> set[int]:
        return set()

    def children(self) -> set[int]:
        return {process.pid for process in self.processes}

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """What is started meanwhile ends with the block."""
        stay = len(self.processes)
        try:
            yield
        finally:
            started = self.processes[stay:]
            del self.processes[stay:]
            self._stop(started)

    def release(self, held: str, tokens: int | None = None) -> None:
        """Let the answers go on that the mock upstream holds back (`hold_after`) under this id; to so many tokens."""
        path = held if tokens is None else f"{held}/{tokens}"
        httpx.post(f"{self.mock_url}/release/{path}", timeout=PATIENCE_SECONDS).raise_for_status()

    def environment(self, **changes: str) -> dict[str, str]:
        """None of the caller's settings get in."""
        inherited = {n: v for n, v in os.environ.items() if n.lower() not in Settings.model_fields}
        ours = {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "RABBIT_MQ": self.broker,
            "RABBIT_MQ_PREFIX": self.prefix,
            "DATABASE_URL": f"sqlite:///{self.home}/test.db",
            "OPENAI_API_KEY": "test-key",
            "OPENAI_BASE_URL": f"{self.mock_url}/v1",
            "OPENAI_MODEL": "mock",
            "SHUTDOWN_GRACE": "5",
        }
        return {**inherited, **ours, **self._environment, **changes}

    def start_api(
        self,
        *,
        ready: bool = True,
        access_log: bool = False,
        port: int | None = None,
        release: Path = ROOT,
        **environment: str,
    ) -> Api:
        """Waits until it is ready; not `ready`: until it has its database, RabbitMQ or not."""
        api = self.launch_api(access_log=access_log, port=port, release=release, **environment)
        self._poll(api, f"{api.url}/{'ready' if ready else 'health'}")
        return api

    def launch_api(
        self, *, access_log: bool = False, port: int | None = None, release: Path = ROOT, **environment: str
    ) -> Api:
        """Without waiting for it. `release`: another checkout, whose own start script knows its options."""
        port = port or free_port()
        if release != ROOT:
            at = {"API_HOST": "127.0.0.1", "API_PORT": str(port)}
            command = ["sh", str(release / "deploy" / "entrypoint.sh"), "api"]
            api = self._start_command(Api, f"api-{release.name}", command, release, **at, **environment)
        else:
            options = ["--port", str(port), "--http", "api.http.protocol:BoundedHeadProtocol"]
            silent = [] if access_log else ["--no-access-log"]
            api = self._start(Api, "api", ["uvicorn", "api.app:app", *options, *silent], **environment)
        api.url = f"http://127.0.0.1:{port}"
        return api

    def start_worker(self, *arguments: str, concurrency: int = 20, release: Path = ROOT, **environment: str) -> Worker:
        return self.start_workers(1, *arguments, concurrency=concurrency, release=release, **environment)[0]

    def start_workers(
        self, count: int, *arguments: str, concurrency: int = 20, release: Path = ROOT, **environment: str
    ) -> list[Worker]:
        """All at once, which takes hardly longer than one."""
        workers = [
            self.launch_worker(*arguments, concurrency=concurrency, release=release, **environment)
            for _ in range(count)
        ]
        deadline = time.monotonic() + PATIENCE_SECONDS
        for worker in workers:
            while " ready." not in worker.output():
                self._still_waiting("a worker", deadline, worker)
        return workers

    def launch_worker(self, *arguments: str, concurrency: int = 20, release: Path = ROOT, **environment: str) -> Worker:
        """Without waiting for it. `release`: another checkout."""
        options = ["--concurrency", str(concurrency), *arguments]
        command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", *options]
        name = "worker" if release == ROOT else f"worker-{release.name}"
        return self._start_command(Worker, name, command, release, **environment)

    def celery(self, command: str, *arguments: str, to: Sequence[Worker]) -> str:
        """`celery inspect` or `celery control`, as an operator uses it. What it printed.

        It returns as soon as all of these workers have answered. Without their names it would wait for others too, as
        long as its time-out lasts.
        """
        nodes = ("--destination", ",".join(worker.node for worker in to), "--timeout", f"{PATIENCE_SECONDS:g}")
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "workers.app", command, *arguments, *nodes],
            cwd=self.home,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _start(self, kind: type[P], name: str, arguments: list[str], **environment: str) -> P:
        return self._start_command(kind, name, [sys.executable, "-m", *arguments], ROOT, **environment)

    def _start_command(self, kind: type[P], name: str, command: list[str], release: Path, **environment: str) -> P:
        log = self.home / f"{name}-{next(self._numbers)}.log"
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        process = kind(name, command, log, self.environment(PYTHONPATH=str(release), PATH=programs, **environment))
        self.processes.append(process)
        return process

    def _stop(self, processes: Sequence[Process]) -> None:
        """All at once. Raises AssertionError for those that did not stop in order."""
        for process in reversed(processes):
            process.ask_to_stop()
        stuck = []
        for process in processes:
            try:
                process.stop()
            except subprocess.TimeoutExpired:
                stuck.append(f"{process.log.stem} did not stop:\n{process.output()[-4000:]}")
        assert not stuck, "\n".join(stuck)

    def _poll(self, process: Process, url: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = httpx.get(url)
                if answer.status_code == 200 and answer.json().get("store", "up") == "up":
                    return
            except httpx.TransportError:
                pass
            self._still_waiting(url, deadline, process)

    def _still_waiting(self, what: str, deadline: float, process: Process) -> None:
        if not process.alive or time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come up:\n{process.output()[-4000:]}")
        time.sleep(POLL_SECONDS)


def run_elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from a fixture, in whose thread a test's own event loop may be running."""
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(asyncio.run, work).result()


def broker_answers() -> bool:
    async def connect() -> None:
        await (await aio_pika.connect(BROKER, timeout=PATIENCE_SECONDS)).close()

    try:
        run_elsewhere(connect())
    except (aio_pika.exceptions.AMQPError, OSError, TimeoutError):
        return False
    return True
