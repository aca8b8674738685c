"""The mock's text by other services' APIs, as the providers for these read it."""

import pytest

from bench.mock_upstream import MockUpstream
from core.providers.anthropic.provider import AnthropicProvider
from core.providers.base import Message, Provider, Request
from core.providers.gemini.provider import GeminiProvider
from core.providers.http.client import HttpClient
from core.providers.ollama.provider import OllamaProvider
from tests.client import numbered
from tests.unit.providers.conformance import read

pytestmark = pytest.mark.anyio


def provider_of(name: str, url: str) -> Provider:
    http = HttpClient(10)
    match name:
        case "anthropic":
            return AnthropicProvider("key", url, http)
        case "gemini":
            return GeminiProvider("key", url, http)
        case _:
            return OllamaProvider(url, None, http)


@pytest.mark.parametrize("name", ["anthropic", "gemini", "ollama"])
async def test_it_is_whole_and_counted(name: str) -> None:
    async with MockUpstream(rate=0) as mock:
        provider = provider_of(name, mock.url)
        try:
            tape, finish = await read(provider.stream(Request("mock?tokens=7", [Message("user", "hi")])))
        finally:
            await provider.close()
    assert tape.text() == numbered(7)
    assert (finish.reason, finish.told.model) == ("stop", "mock?tokens=7")
    assert finish.told.usage is not None
    assert (finish.told.usage.input_tokens, finish.told.usage.output_tokens) == (9, 7)
    assert mock.stats.tokens == 7


async def test_what_is_no_question_is_refused() -> None:
    async with MockUpstream() as mock:
        http = HttpClient(10)
        try:
            with pytest.raises(Exception, match="400"):
                async with http.post(f"{mock.url}/v1/messages", {}, b"{}"):
                    pass
        finally:
            await http.close()
