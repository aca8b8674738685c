"""The Gemini wire of a server that nobody here wrote: LiteLLM's proxy, where `./run.sh bench` has installed it."""

from collections.abc import Iterator

import pytest

from bench import litellm
from bench.contenders import LITELLM, start_mock
from bench.processes import Processes
from core.providers.base import Message, Request
from core.providers.gemini.provider import GeminiProvider
from core.providers.http.client import HttpClient
from tests.client import numbered
from tests.unit.providers.conformance import read

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(litellm.version_of(LITELLM) is None, reason="LiteLLM is not here; ./run.sh bench installs it"),
]


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes() as processes:
        yield processes


async def test_its_gemini_wire_is_read(processes: Processes) -> None:
    url = await litellm.start(processes, LITELLM, await start_mock(processes), ["mock"])
    provider = GeminiProvider("any-key", f"{url}/v1beta", HttpClient(60))
    try:
        tape, finish = await read(provider.stream(Request("mock", [Message("user", "hi")])))
    finally:
        await provider.close()
    assert (tape.text(), finish.reason, finish.raw) == (numbered(100), "stop", "STOP")
