"""The stack most integration tests share: two API processes, one worker. And an arena, whose workers come and go.

What a test starts on a shared stack, or asks of it, ends with the test: the next one finds the stack as it was.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx
import pytest

from tests.client import POLL_SECONDS, Client, get
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api, Worker
from tests.proxy import Proxy
from tests.stack import BROKER, Stack, broker_answers


class Shared(NamedTuple):
    stack: Stack
    apis: list[Api]
    worker: Worker


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

SHARED = ("shared", "arena", "guarded")
"""The fixtures whose stacks outlive a test."""

StartWorkers = Callable[..., list[Worker]]


@pytest.fixture(scope="session")
def broker() -> str:
    """The URL of a real RabbitMQ."""
    require(broker_answers(), f"no RabbitMQ answers at {BROKER}; see RABBIT_MQ")
    return BROKER


@pytest.fixture(scope="session")
def shared(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with Stack(tmp_path_factory.mktemp("shared")) as stack:
        yield Shared(stack, [stack.start_api(), stack.start_api()], stack.start_worker())


@pytest.fixture(autouse=True)
def _processes_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    with ExitStack() as stacks:
        for name in SHARED:
            if name in request.fixturenames:
                stacks.enter_context(request.getfixturevalue(name).stack.as_before())
        yield


@pytest.fixture
async def client(shared: Shared) -> AsyncIterator[Client]:
    async with Client(shared.apis[0].url) as client:
        yield client
        await end_turns(shared.stack, client)


@pytest.fixture
async def other_client(shared: Shared) -> AsyncIterator[Client]:
    """On the other API process."""
    async with Client(shared.apis[1].url) as client:
        yield client


@pytest.fixture(scope="session")
def arena(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with Stack(tmp_path_factory.mktemp("arena")) as stack:
        yield Arena(stack, [stack.start_api(), stack.start_api()])


@pytest.fixture
async def viewer(arena: Arena) -> AsyncIterator[Client]:
    """On the arena's first API process."""
    async with Client(arena.apis[0].url) as client:
        yield client
        await end_turns(arena.stack, client)


@pytest.fixture
async def other_viewer(arena: Arena) -> AsyncIterator[Client]:
    async with Client(arena.apis[1].url) as client:
        yield client


@pytest.fixture
def start_workers(arena: Arena, viewer: Client) -> Iterator[StartWorkers]:
    """Starts so many workers in the arena. They are killed before the test's turns are ended, which then wait or are
    nobody's."""
    started: list[Worker] = []

    def start(count: int, *arguments: str, **environment: Any) -> list[Worker]:
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
    async with Client(guarded.apis[0].url, ALICE) as client:
        yield client


@pytest.fixture
async def bob(guarded: Guarded) -> AsyncIterator[Client]:
    """On the other API process."""
    async with Client(guarded.apis[1].url, BOB) as client:
        yield client


@pytest.fixture
async def stranger(guarded: Guarded) -> AsyncIterator[Client]:
    async with Client(guarded.apis[0].url) as client:
        yield client


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


async def celery(stack: Stack, command: str, *arguments: str, to: Sequence[Worker]) -> str:
    return await anyio.to_thread.run_sync(partial(stack.celery, command, *arguments, to=to))


def mock_stats(stack: Stack) -> dict[str, Any]:
    stats: dict[str, Any] = get(f"{stack.mock_url}/stats").json()
    return stats


def tries(stack: Stack, series: str) -> int:
    """How often the mock upstream was asked with this id in the model's name."""
    count: int = mock_stats(stack)["tries"].get(series, 0)
    return count


def alive_workers(arena: Arena) -> int:
    """As /health counts them."""
    count: int = get(f"{arena.apis[0].url}/health").json()["workers"]
    return count


def owner_of(stack: Stack, session_id: str, workers: list[Worker]) -> Worker:
    """The worker that runs the session's turn, by the store's word."""
    with closing(sqlite3.connect(stack.home / "test.db")) as database:
        query = "SELECT owner FROM turns WHERE session_id = ? AND status = 'running'"
        (owner,) = database.execute(query, (session_id,)).fetchone()
    pid = int(owner.rsplit("-", 2)[1])
    return next(worker for worker in workers if worker.pid == pid)


async def end_turns(stack: Stack, client: Client) -> None:
    """Cancel whatever waits or runs, and wait until it has ended."""

    def unfinished() -> list[str]:
        with closing(sqlite3.connect(stack.home / "test.db")) as database:
            rows = database.execute("SELECT session_id FROM turns WHERE status IN ('queued', 'running')")
            return [session for (session,) in rows]

    for session in unfinished():
        await client.cancel(session)
    await eventually(lambda: not unfinished())


async def eventually(check: Callable[[], object]) -> None:
    """Wait until it is so. Raises TimeoutError."""
    with anyio.fail_after(PATIENCE_SECONDS):
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
