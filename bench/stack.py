"""Hopstream as it is run: API processes and workers on free ports, on the RabbitMQ of `RABBIT_MQ`.

Everything is new and gone afterwards.
"""

import os
import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aio_pika
import msgspec

from bench.http_client import fetch
from bench.leftovers import forget
from bench.processes import READY_SECONDS, Processes, StartError, free_port

DEFAULT_BROKER = "amqp://guest:guest@localhost/"
HEAD_LIMIT = ("--http", "api.http.protocol:BoundedHeadProtocol")
ENOUGH = "1000000"


def broker_url() -> str:
    return os.environ.get("RABBIT_MQ", "").strip() or DEFAULT_BROKER


class Stack:
    """`async with Stack(processes, mock) as stack:`, then `stack.apis` are the URLs.

    The limits of a person's use are off: the driver is one client with all the sessions.
    """

    def __init__(
        self,
        processes: Processes,
        mock: str,
        *,
        apis: int = 1,
        workers: int = 1,
        concurrency: int = 500,
        trust: Mapping[str, str] | None = None,
    ) -> None:
        """`trust`: variables that name the authority of the mock upstream."""
        self._processes = processes
        self._mock = mock
        self._trust = trust or {}
        self._concurrency = concurrency
        self._workers = workers
        self._ports = [free_port() for _ in range(apis)]
        self._broker = broker_url()
        self._prefix = f"bench-{secrets.token_hex(4)}."  # workers of others on this broker never see our jobs
        self.apis = tuple(f"http://127.0.0.1:{port}" for port in self._ports)
        self.names = [*_names("api", apis), *_names("worker", workers)]

    async def __aenter__(self) -> Self:
        await check(self._broker)
        for name, port in zip(_names("api", len(self._ports)), self._ports, strict=True):
            self._run(name, "uvicorn", "api.app:app", "--port", str(port), "--no-access-log", *HEAD_LIMIT)
        for name in _names("worker", self._workers):
            self._run(name, "celery", "-A", "workers.app", "worker", "--concurrency", str(self._concurrency))
        await self._processes.until(self._has_all, "the API's /health with all workers")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.stop(self.names)
        await forget(self._broker, self._prefix)

    def _run(self, name: str, *module: str) -> None:
        environment = {
            "RABBIT_MQ": self._broker,
            "RABBIT_MQ_PREFIX": self._prefix,
            "DATABASE_URL": f"sqlite:///{self._processes.home}/bench.db",
            "AGENTS_DIR": f"{self._processes.home}/agents",
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": f"{self._mock}/v1",
            "OPENAI_MODEL": "mock",
            "MAX_STREAMS": ENOUGH,
            "MAX_STREAMS_PER_CLIENT": ENOUGH,
            "MAX_QUEUED_TURNS": ENOUGH,
            "LOG_FORMAT": "json",  # as in deploy/k8s
            **self._trust,
        }
        self._processes.run_module(name, *module, env=environment)

    async def _has_all(self) -> bool:
        for api in self.apis:
            answer = await fetch(api, "/health")
            health = {} if answer is None else msgspec.json.decode(answer)
            if health.get("broker") != "up" or health["workers"] < self._workers:
                return False
        return True


def _names(name: str, count: int) -> list[str]:
    return [name, *(f"{name} {number}" for number in range(2, count + 1))][:count]


async def check(broker: str) -> None:
    """Raises StartError where RabbitMQ does not answer."""
    try:
        await (await aio_pika.connect(broker, timeout=READY_SECONDS)).close()
    except (aio_pika.exceptions.AMQPError, OSError) as error:
        raise StartError(f"RabbitMQ does not answer, see RABBIT_MQ: {error}") from error
