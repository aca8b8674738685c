"""What Ollama is asked, in its own words."""

import pytest

from core.providers.base import Message, Request
from core.providers.http.client import HttpClient
from core.providers.ollama import request as ollama
from core.providers.ollama.provider import OllamaProvider
from tests.unit.providers.conformance import read
from tests.unit.providers.conversation import SCHEMA, TOOL, WANTED, asking
from tests.unit.providers.upstream import Upstream, whole

pytestmark = pytest.mark.anyio


def test_ollama() -> None:
    assert ollama.body_of(asking(tool_choice=None, response_format=WANTED)) == {
        "model": "m",
        "stream": True,
        "think": "low",
        "options": {"temperature": 0.5, "top_p": 0.9, "num_predict": 50, "stop": ["END"]},
        "tools": [TOOL],
        "format": SCHEMA,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What time is it?"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    {"id": "1", "function": {"name": "now", "arguments": {"in": "UTC"}}},
                    {"id": "2", "function": {"name": "later", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "noon", "tool_name": "now", "tool_call_id": "1"},
            {"role": "tool", "content": "never", "tool_name": "later", "tool_call_id": "2"},
            {"role": "user", "content": "And here?", "images": ["cG5n"]},
        ],
    }


async def test_ollama_is_found_as_its_own_programs_find_it(upstream: Upstream, http: HttpClient) -> None:
    provider = OllamaProvider(f"127.0.0.1:{upstream.port}", None, http)
    upstream.say(whole(200, b'{"done":true,"done_reason":"stop"}\n'))
    await read(provider.stream(Request("m", [Message("user", "hi")])))
    assert [(asked.path, "authorization" in asked.headers) for asked in upstream.asked] == [("/api/chat", False)]
