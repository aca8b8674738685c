"""What Anthropic is asked, in its own words, which the types of its SDK take."""

import pytest
from anthropic.types import MessageCreateParams
from pydantic import TypeAdapter

from core.model.errors import UnsupportedOption
from core.providers.anthropic import request as anthropic
from core.providers.anthropic.events import REDACTED, SIGNATURE
from core.providers.anthropic.provider import AnthropicProvider
from core.providers.base import (
    ContentPart,
    Data,
    FileContent,
    ImageContent,
    Link,
    Message,
    Request,
    TextContent,
    Thought,
)
from core.providers.gemini import chunks
from core.providers.http.client import HttpClient
from tests.unit.providers.conformance import read
from tests.unit.providers.conversation import CALLS, SCHEMA, TOOL, WANTED, asking
from tests.unit.providers.upstream import Upstream, whole

pytestmark = pytest.mark.anyio


def test_anthropic() -> None:
    body = anthropic.body_of(asking(response_format=WANTED), 16_000)
    TypeAdapter(MessageCreateParams).validate_python(body)
    assert body == {
        "model": "m",
        "max_tokens": 50,
        "stream": True,
        "system": "Be brief.",
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "tools": [
            {"name": "now", "description": "Tells the time.", "input_schema": TOOL["function"]["parameters"]},  # type: ignore[index]
        ],
        "tool_choice": {"type": "any"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "1", "name": "now", "input": {"in": "UTC"}},
                    {"type": "tool_use", "id": "2", "name": "later", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": "noon"},
                    {"type": "tool_result", "tool_use_id": "2", "content": "never"},
                    {"type": "text", "text": "And here?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cG5n"}},
                ],
            },
        ],
    }


def test_anthropic_gets_its_thoughts_back_before_what_came_of_them() -> None:
    thoughts = [Thought(SIGNATURE, "sig", "Hm."), Thought(REDACTED, "enc"), Thought(chunks.SIGNATURE, "another's")]
    message = Message("assistant", "Yes.", CALLS[:1], thoughts=thoughts)
    (turn,) = anthropic.body_of(Request("m", [message]), 16_000)["messages"]
    assert turn["content"][:3] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "text", "text": "Yes."},
    ]


def test_anthropic_is_told_where_files_are() -> None:
    parts: list[ContentPart] = [
        FileContent(Data("text/markdown", b"# hi"), "a.md"),
        TextContent(" "),
        ImageContent(Link("https://a/b.png")),
        FileContent(Data("application/pdf", b"pdf"), "b.pdf"),
    ]
    (turn,) = anthropic.body_of(Request("m", [Message("user", parts)]), 16_000)["messages"]
    assert turn["content"] == [
        {"type": "document", "title": "a.md", "source": {"type": "text", "media_type": "text/plain", "data": "# hi"}},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
        {
            "type": "document",
            "title": "b.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"},
        },
    ]


async def test_an_option_that_is_refused_here_costs_no_request(upstream: Upstream, http: HttpClient) -> None:
    provider = AnthropicProvider("key", upstream.url, http)
    with pytest.raises(UnsupportedOption) as raised:
        await anext(provider.stream(Request("m", [Message("user", "hi")], {"seed": 1})))
    assert (raised.value.transient, upstream.asked) == (False, [])


DONE = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
TOO_MANY = (
    b'{"type":"error","error":{"type":"invalid_request_error","message":'
    b'"max_tokens: 16000 > 4096, which is the maximum allowed number of output tokens for m"}}'
)


async def test_anthropic_s_greatest_limit_is_remembered(upstream: Upstream, http: HttpClient) -> None:
    provider = AnthropicProvider("key", upstream.url, http)
    upstream.say_first(whole(400, TOO_MANY))
    upstream.say(whole(200, DONE))
    for _ in range(2):
        await read(provider.stream(Request("m", [Message("user", "hi")])))
    assert [asked.path for asked in upstream.asked] == ["/v1/messages"] * 3
    assert ['"max_tokens":4096' in asked.body.decode() for asked in upstream.asked] == [False, True, True]


async def test_anthropic_refuses_a_limit_that_was_asked_for_once(upstream: Upstream, http: HttpClient) -> None:
    provider = AnthropicProvider("key", upstream.url, http)
    upstream.say(whole(400, TOO_MANY))
    with pytest.raises(Exception, match="16000 > 4096"):
        await read(provider.stream(Request("m", [Message("user", "hi")], {"max_tokens": 16000})))
    assert len(upstream.asked) == 1
