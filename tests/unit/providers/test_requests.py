"""What Anthropic, Gemini and Ollama are asked: a conversation with everything that it may have, in each one's words,
which the types of their own SDKs take."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from anthropic.types import MessageCreateParams
from google.genai.types import Content, FunctionCallingConfig, GenerateContentConfig, Tool
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
    ToolCallRequest,
)
from core.providers.gemini import chunks
from core.providers.gemini import request as gemini
from core.providers.gemini.provider import GeminiProvider
from core.providers.http.client import HttpClient
from core.providers.ollama import request as ollama
from core.providers.ollama.provider import OllamaProvider
from tests.unit.providers.conformance import read
from tests.unit.providers.upstream import Upstream, whole

pytestmark = pytest.mark.anyio

PNG = ImageContent(Data("image/png", b"png"))
CALLS = [ToolCallRequest("1", "now", '{"in": "UTC"}'), ToolCallRequest("2", "later", '{"cut')]
CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", "What time is it?"),
    Message("assistant", "Let me see.", CALLS),
    Message("tool", "noon", tool_call_id="1"),
    Message("tool", "never", tool_call_id="2"),
    Message("user", [TextContent("And here?"), PNG]),
]
TOOL = {
    "type": "function",
    "function": {
        "name": "now",
        "description": "Tells the time.",
        "parameters": {"type": "object", "properties": {"in": {"type": "string"}}},
    },
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
WANTED = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
OPTIONS = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 50, "stop": "END", "reasoning_effort": "low"}


def asking(**more: Any) -> Request:
    fields = {"messages": CONVERSATION, "options": OPTIONS, "tools": [TOOL], "tool_choice": "required", **more}
    return Request("m", **fields)


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


def test_gemini() -> None:
    signed = [Thought(chunks.SIGNATURE, "sig", "1"), Thought(SIGNATURE, "another's", "2")]
    messages = [*CONVERSATION[:2], Message("assistant", "Let me see.", CALLS, thoughts=signed), *CONVERSATION[3:]]
    options = {**OPTIONS, "seed": 7, "presence_penalty": 0.1, "frequency_penalty": 0.2}
    body = gemini.body_of(asking(messages=messages, options=options, response_format=WANTED))
    TypeAdapter(list[Content]).validate_python(body["contents"])
    TypeAdapter(list[Tool]).validate_python(body["tools"])
    GenerateContentConfig.model_validate(body["generationConfig"])
    FunctionCallingConfig.model_validate(body["toolConfig"]["functionCallingConfig"])
    assert body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 50,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "low"},
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "now",
                        "description": "Tells the time.",
                        "parametersJsonSchema": TOOL["function"]["parameters"],  # type: ignore[index]
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "contents": [
            {"role": "user", "parts": [{"text": "What time is it?"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Let me see."},
                    {
                        "functionCall": {"id": "1", "name": "now", "args": {"in": "UTC"}},
                        "thoughtSignature": "sig",
                    },
                    {"functionCall": {"id": "2", "name": "later", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "1", "name": "now", "response": {"result": "noon"}}},
                    {"functionResponse": {"id": "2", "name": "later", "response": {"result": "never"}}},
                    {"text": "And here?"},
                    {"inlineData": {"mimeType": "image/png", "data": "cG5n"}},
                ],
            },
        ],
    }


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


@pytest.mark.parametrize(
    ("choice", "for_anthropic", "for_gemini"),
    [
        ("auto", {"type": "auto"}, {"mode": "AUTO"}),
        ("none", {"type": "none"}, {"mode": "NONE"}),
        (
            {"type": "function", "function": {"name": "now"}},
            {"type": "tool", "name": "now"},
            {"mode": "ANY", "allowedFunctionNames": ["now"]},
        ),
    ],
)
def test_which_tool(choice: Any, for_anthropic: dict[str, Any], for_gemini: dict[str, Any]) -> None:
    assert anthropic.body_of(asking(tool_choice=choice), 16_000)["tool_choice"] == for_anthropic
    assert gemini.body_of(asking(tool_choice=choice))["toolConfig"] == {"functionCallingConfig": for_gemini}


@pytest.mark.parametrize("effort", ["none", "minimal", "medium", "high"])
def test_how_hard_to_think(effort: str) -> None:
    request = Request("m", [Message("user", "hi")], {"reasoning_effort": effort})
    body = anthropic.body_of(request, 16_000)
    TypeAdapter(MessageCreateParams).validate_python(body)
    assert (body["thinking"]["type"] == "disabled") == (effort == "none")
    GenerateContentConfig.model_validate(gemini.body_of(request)["generationConfig"])
    assert (ollama.body_of(request)["think"] is False) == (effort == "none")


def test_what_a_service_has_not_is_refused_by_name() -> None:
    def asked(**options: Any) -> Request:
        return Request("m", [Message("user", "hi")], options)

    with pytest.raises(UnsupportedOption, match="frequency_penalty, seed"):
        anthropic.body_of(asked(seed=1, frequency_penalty=0.5, max_tokens=5), 16_000)
    with pytest.raises(UnsupportedOption, match="json_object"):
        anthropic.body_of(asking(response_format={"type": "json_object"}), 16_000)
    assert "output_config" not in anthropic.body_of(asking(options={}, response_format={"type": "text"}), 16_000)
    with pytest.raises(UnsupportedOption, match="what kind of file"):
        gemini.body_of(Request("m", [Message("user", [ImageContent(Link("https://a/b"))])]))
    with pytest.raises(UnsupportedOption, match="tool_choice"):
        ollama.body_of(asking())
    with pytest.raises(UnsupportedOption, match="images"):
        ollama.body_of(Request("m", [Message("user", [ImageContent(Link("https://a/b.png"))])]))


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    http = HttpClient(30)
    yield http
    await http.close()


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


@pytest.mark.parametrize(
    ("model", "base", "path"),
    [
        ("gemini-x", "", "/v1/models/gemini-x:streamGenerateContent?alt=sse"),
        ("models/gemini-x", "/v1beta", "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"),
        ("a/b c", "/gemini/v1beta/", "/gemini/v1beta/models/a%2Fb%20c:streamGenerateContent?alt=sse"),
    ],
)
async def test_the_addresses_of_gemini(upstream: Upstream, http: HttpClient, model: str, base: str, path: str) -> None:
    provider = GeminiProvider("key", upstream.url + base, http)
    upstream.say(whole(200, b'data: {"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}]}\n\n'))
    await read(provider.stream(Request(model, [Message("user", "hi")])))
    assert [(asked.path, asked.headers["x-goog-api-key"]) for asked in upstream.asked] == [(path, "key")]


async def test_ollama_is_found_as_its_own_programs_find_it(upstream: Upstream, http: HttpClient) -> None:
    provider = OllamaProvider(f"127.0.0.1:{upstream.port}", None, http)
    upstream.say(whole(200, b'{"done":true,"done_reason":"stop"}\n'))
    await read(provider.stream(Request("m", [Message("user", "hi")])))
    assert [(asked.path, "authorization" in asked.headers) for asked in upstream.asked] == [("/api/chat", False)]


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("gemini-flash-latest", gemini.NO_SIGNATURE),
        ("gemini-3.5-pro", gemini.NO_SIGNATURE),
        ("models/gemini-2.5-flash", None),
        ("gemini-1.5-pro", None),
    ],
)
def test_calls_of_a_caller_s_own_have_no_signature_to_give(model: str, signature: str | None) -> None:
    """Which newer models want of the first of the calls that came together."""
    messages = [*CONVERSATION[:2], Message("assistant", "", CALLS), *CONVERSATION[3:]]
    body = gemini.body_of(Request(model, messages))
    TypeAdapter(list[Content]).validate_python(body["contents"])
    calls = [part for content in body["contents"] for part in content["parts"] if "functionCall" in part]
    assert [call.get("thoughtSignature") for call in calls] == [signature, None]
