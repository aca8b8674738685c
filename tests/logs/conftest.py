"""Gateways of the log dashboard, each a process of its own, on a Redis of the test's own."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple, Self

import httpx
import pytest

from bench.processes import free_port
from core.telemetry.log_stream.appender import Appender
from tests.logs.viewing import Gateway
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer
from tests.stack import ROOT

StartGateway = Callable[..., Gateway]


class Shared(NamedTuple):
    gateway: Gateway
    redis: RedisServer
    appender: Appender


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """For tests that leave all three as they are."""
    home = tmp_path_factory.mktemp("shared-logs")
    with (
        RedisServer(home) as redis,
        Gateways(home, redis) as gateways,
        closing(_appender(redis)) as appender,
    ):
        yield Shared(gateways.start(), redis, appender)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def appender(redis: RedisServer) -> Iterator[Appender]:
    with closing(_appender(redis)) as appender:
        yield appender


def _appender(redis: RedisServer) -> Appender:
    """Connected."""
    appender = Appender(redis.url, 100_000)
    appender.append([])
    return appender


@pytest.fixture
def start_gateway(redis: RedisServer, tmp_path: Path) -> Iterator[StartGateway]:
    with Gateways(tmp_path, redis) as gateways:
        yield gateways.start


@pytest.fixture
def gateway(start_gateway: StartGateway) -> Gateway:
    return start_gateway()


class Gateways:
    """Those of one Redis, and of one archive unless a setting says otherwise."""

    def __init__(self, home: Path, redis: RedisServer) -> None:
        self._home = home
        self._redis = redis
        self._gateways: list[Gateway] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for gateway in self._gateways:
            gateway.stop()

    def start(self, *, waits: bool = True, **settings: str) -> Gateway:
        """Settings by their names. Returns once it answers and hears what others publish."""
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": self._redis.url,
            "LOG_ARCHIVE": str(self._home / "archive"),
            **settings,
        }
        command = [sys.executable, "-m", "uvicorn", "logs.app:app", "--port", str(port)]
        log = self._home / f"gateway-{len(self._gateways) + 1}.log"
        gateway = Gateway("gateway", command, log, environment)
        gateway.url = f"http://127.0.0.1:{port}"
        self._gateways.append(gateway)
        deadline = monotonic() + PATIENCE_SECONDS
        while waits and not _answers(gateway):
            assert gateway.alive, gateway.output()
            assert monotonic() < deadline, gateway.output()
            sleep(0.05)
        return gateway


def _answers(gateway: Gateway) -> bool:
    try:
        health = httpx.get(f"{gateway.url}/health").json()
    except httpx.TransportError:
        return False
    return health["redis"] == "up" and bool(health["hears"])
