"""The system under test: API processes, workers, a mock upstream, proxies, and a broker; each can be broken."""

import asyncio
import random
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from subprocess import TimeoutExpired
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from tests.faults.broker import Broker
from tests.processes import Api, Process
from tests.proxy import Proxy
from tests.stack import ROOT, Stack

STOP_SECONDS = 30.0
"""What Kubernetes gives a process after SIGTERM, unless it is told otherwise."""


class Level(NamedTuple):
    """What the system holds while nobody asks anything."""

    queues: int
    session_logs: int
    connections: int
    threads: int
    """Of the process that has most."""
    memory_mb: int
    """Of the process that has most."""


class System:
    def __init__(
        self,
        home: Path,
        broker: Broker,
        *,
        database: str,
        grace: int,
        seed: int,
        release: Path = ROOT,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`grace`: the seconds that a stopping worker has for its turns. Shorter than an answer takes, so that there is
        something to hand over. `release`: the checkout that processes are started from."""
        self.release = release
        self.broker = broker
        self.random = random.Random(seed)
        self.misbehaviour: list[str] = []
        self.apis: list[Api] = []
        """Those that new requests go to."""
        self.workers: list[Process] = []
        self.proxy = Proxy(*broker.urls)
        """Every process reaches the broker through it: some node of it that lives."""
        self.database = Proxy(database)
        """And the database through this."""
        self._home = home
        self._environment = {"SHUTDOWN_GRACE": str(grace), "LOG_FORMAT": "json", **(settings or {})}
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        for proxy in (self.proxy, self.database):
            self._closing.enter_context(proxy)
        stack = Stack(self._home, self.broker.urls[0], DATABASE_URL=self.database.url, **self._environment)
        self._stack = self._closing.enter_context(stack)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)

    @property
    def logs(self) -> Path:
        return self._stack.home

    async def start(self, apis: int, workers: int, concurrency: int) -> None:
        self._concurrency = concurrency
        for _ in range(apis):
            await self.add_api()
        await self.add_workers(workers)

    async def add_api(self) -> None:
        self.apis.append(await asyncio.to_thread(self._stack.start_api, release=self.release, RABBIT_MQ=self.proxy.url))

    async def add_workers(self, count: int) -> None:
        starting = [
            asyncio.to_thread(
                self._stack.start_worker,
                concurrency=self._concurrency,
                release=self.release,
                RABBIT_MQ=self.proxy.url,
            )
            for _ in range(count)
        ]
        self.workers += await asyncio.gather(*starting)

    async def stop(self, process: Process) -> None:
        """In order; one that does not stop is killed, as a supervisor would, and told of."""
        process.signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(process.wait, STOP_SECONDS)
        except TimeoutExpired:
            process.kill()
            self.misbehaviour.append(f"{process.log.stem} did not stop within {STOP_SECONDS:g} s of SIGTERM")
        else:
            if code not in (0, -signal.SIGTERM):
                self.misbehaviour.append(f"{process.log.stem} stopped with exit status {code}")

    async def replace_worker(self, worker: Process) -> None:
        """A supervisor's work."""
        self.workers.remove(worker)
        await self.add_workers(1)

    async def replace_api(self, api: Api) -> None:
        await self.add_api()
        self.apis.remove(api)

    async def restart_api(self, api: Api) -> None:
        """On the same port."""
        port = int(api.url.rpartition(":")[2])
        started = await asyncio.to_thread(
            self._stack.start_api, port=port, ready=False, release=self.release, RABBIT_MQ=self.proxy.url
        )
        self.apis[self.apis.index(api)] = started

    async def ctl(self, *arguments: str) -> None:
        await asyncio.to_thread(self.broker.ctl, *arguments)

    async def queues(self) -> list[str]:
        rows = await asyncio.to_thread(self.broker.rows, "list_queues", "-p", self.broker.vhost, "name")
        return [name for (name,) in rows]

    async def session_logs(self) -> list[str]:
        return [name for name in await self.queues() if name.startswith(f"{self._stack.prefix}session.")]

    async def inboxes(self) -> list[str]:
        """Their own connections alone may use them, but an operator may delete them."""
        return [name for name in await self.queues() if name.startswith("amq.gen-")]

    async def level(self) -> Level:
        queues = await self.queues()
        connections = await asyncio.to_thread(self.broker.rows, "list_connections", "vhost")
        processes = [psutil.Process(process.pid) for process in (*self.apis, *self.workers)]
        return Level(
            queues=len(queues),
            session_logs=len(await self.session_logs()),
            connections=len([vhost for (vhost,) in connections if vhost == self.broker.vhost]),
            threads=max(process.num_threads() for process in processes),
            memory_mb=max(process.memory_info().rss for process in processes) // 2**20,
        )

    def misbehaved(self) -> list[str]:
        """Processes that did not stop when they should, or ended though nobody asked them to."""
        ended = [process for process in (*self.apis, *self.workers) if not process.alive]
        return self.misbehaviour + [f"{process.log.stem} ended with {process.exit_code}" for process in ended]
