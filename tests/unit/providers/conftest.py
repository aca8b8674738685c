from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.providers.http.client import HttpClient
from core.providers.openai.provider import OpenAIProvider
from tests.unit.providers.http_providing import KEY, TIMEOUT
from tests.unit.providers.upstream import Upstream


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop of the product."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    http = HttpClient(TIMEOUT)
    yield http
    await http.close()


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OpenAIProvider]:
    """That asks the upstream."""
    provider = OpenAIProvider(KEY, f"{upstream.url}/v1", HttpClient(TIMEOUT))
    yield provider
    await provider.close()
