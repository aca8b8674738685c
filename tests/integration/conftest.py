"""The stack most integration tests share: two API processes, one worker."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.client import Client
from tests.parts import require
from tests.stack import BROKER, Api, Process, Stack, broker_answers


class Shared(NamedTuple):
    stack: Stack
    apis: list[Api]
    worker: Process


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


@pytest.fixture
def stack(broker: str, tmp_path: Path) -> Iterator[Stack]:
    """A stack of a test's own, which it may break."""
    with Stack(tmp_path) as stack:
        yield stack


def mock_stats(stack: Stack) -> dict[str, object]:
    stats: dict[str, object] = httpx.get(f"{stack.mock_url}/stats").json()
    return stats
