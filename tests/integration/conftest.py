"""The stack most integration tests share: two API processes, one worker. And an arena, whose workers come and go."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx
import pytest

from tests.client import POLL_SECONDS, Client
from tests.parts import require
from tests.proxy import Proxy
from tests.stack import BROKER, Api, Process, Stack, broker_answers


class Shared(NamedTuple):
    stack: Stack
    apis: list[Api]
    worker: Process


class Arena(NamedTuple):
    """Two API processes that stay, and no worker: each test starts its own."""

    stack: Stack
    apis: list[Api]


class Guarded(NamedTuple):
    """Two API processes with keys, and a worker."""

    stack: Stack
    apis: list[Api]


ALICE, BOB = "alice-3b1f0c77d5e2", "bob-91aa40be6d13f8"
KEYS = f"alice:{ALICE},bob:{BOB}"
GUARDED_TOKENS = 300
"""In 3 s: long enough that a running turn still runs while every route is tried."""

StartWorkers = Callable[..., list[Process]]


@pytest.fixture(scope="session")
def broker() -> str:
    """The URL of a real RabbitMQ."""
    require(broker_answers(), f"no RabbitMQ answers at {BROKER}; see RABBIT_MQ")
    return BROKER


@pytest.fixture(scope="session")
def shared(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with Stack(tmp_path_factory.mktemp("shared")) as stack:
        yield Shared(stack, [stack.start_api(), stack.start_api()], stack.start_worker())


@pytest.fixture
async def client(shared: Shared) -> AsyncIterator[Client]:
    client = Client(shared.apis[0].url)
    yield client
    await client.close()


@pytest.fixture
async def other_client(shared: Shared) -> AsyncIterator[Client]:
    """On the other API process."""
    client = Client(shared.apis[1].url)
    yield client
    await client.close()


@pytest.fixture(scope="session")
def arena(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with Stack(tmp_path_factory.mktemp("arena")) as stack:
        yield Arena(stack, [stack.start_api(), stack.start_api()])


@pytest.fixture
async def viewer(arena: Arena) -> AsyncIterator[Client]:
    """On the arena's first API process."""
    client = Client(arena.apis[0].url)
    yield client
    await client.close()


@pytest.fixture
async def other_viewer(arena: Arena) -> AsyncIterator[Client]:
    client = Client(arena.apis[1].url)
    yield client
    await client.close()


@pytest.fixture
def start_workers(arena: Arena) -> Iterator[StartWorkers]:
    """Starts so many workers in the arena, which do not outlive the test."""
    started: list[Process] = []

    def start(count: int, *arguments: str, **environment: Any) -> list[Process]:
        workers = arena.stack.start_workers(count, *arguments, **environment)
        started.extend(workers)
        return workers

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture(scope="session")
def guarded(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded")
    with Stack(home, API_KEYS=KEYS, OPENAI_MODEL=f"mock?tokens={GUARDED_TOKENS}&rate=100") as stack:
        apis = [stack.start_api(), stack.start_api()]
        stack.start_worker()
        yield Guarded(stack, apis)


@pytest.fixture
async def alice(guarded: Guarded) -> AsyncIterator[Client]:
    client = Client(guarded.apis[0].url, ALICE)
    yield client
    await client.close()


@pytest.fixture
async def bob(guarded: Guarded) -> AsyncIterator[Client]:
    """On the other API process."""
    client = Client(guarded.apis[1].url, BOB)
    yield client
    await client.close()


@pytest.fixture
async def stranger(guarded: Guarded) -> AsyncIterator[Client]:
    client = Client(guarded.apis[0].url)
    yield client
    await client.close()


@pytest.fixture
def stack(broker: str, tmp_path: Path) -> Iterator[Stack]:
    """A stack of a test's own, which it may break."""
    with Stack(tmp_path) as stack:
        yield stack


@pytest.fixture
def proxy(broker: str) -> Iterator[Proxy]:
    """In front of the broker."""
    with Proxy(broker) as proxy:
        yield proxy


def mock_stats(stack: Stack) -> dict[str, Any]:
    stats: dict[str, Any] = httpx.get(f"{stack.mock_url}/stats").json()
    return stats


def tries(stack: Stack, series: str) -> int:
    """How often the mock upstream was asked with this id in the model's name."""
    count: int = mock_stats(stack)["tries"].get(series, 0)
    return count


def alive_workers(arena: Arena) -> int:
    """As /health counts them."""
    count: int = httpx.get(f"{arena.apis[0].url}/health").json()["workers"]
    return count


def owner_of(stack: Stack, session_id: str, workers: list[Process]) -> Process:
    """The worker that runs the session's turn, by the store's word."""
    with closing(sqlite3.connect(stack.home / "test.db")) as database:
        query = "SELECT owner FROM turns WHERE session_id = ? AND status = 'running'"
        (owner,) = database.execute(query, (session_id,)).fetchone()
    pid = int(owner.rsplit("-", 2)[1])
    return next(worker for worker in workers if worker.pid == pid)


async def eventually(check: Callable[[], object], seconds: float = 10) -> None:
    """Wait until it is so. Raises TimeoutError."""
    with anyio.fail_after(seconds):
        while True:
            if check():
                return
            await anyio.sleep(POLL_SECONDS)


def assert_problem(
    response: httpx.Response, status: int, code: str, *, field: str | None = None, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """RFC 9457, as all our errors are."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    for name, value in (more or {}).items():
        assert body.pop(name) == value
    assert body.keys() - {"errors"} == {"type", "title", "status", "detail", "code", "request_id"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    if field is not None:
        assert field in [error["field"] for error in body["errors"]]
        assert field in body["detail"]
    return body
