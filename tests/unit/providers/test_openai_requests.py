"""What the OpenAI provider asks: every request in the words of chat completions."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from bench.mock_upstream import MockUpstream
from core.model.errors import ProviderError
from core.model.parts import whole_tool_calls
from core.model.tape import Tape
from core.providers.base import (
    ContentPart,
    Data,
    FileContent,
    ImageContent,
    Link,
    Message,
    Request,
    TextContent,
    ToolCallRequest,
)
from core.providers.http.client import HttpClient
from core.providers.openai.dialect import OpenAIDialect
from core.providers.openai.provider import OpenAIProvider, find_endpoint
from core.providers.openai.request import body_of
from tests.client import numbered
from tests.unit.providers.conformance import read
from tests.unit.providers.http_providing import KEY, TIMEOUT

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}


@pytest.fixture
async def mock() -> AsyncIterator[MockUpstream]:
    async with MockUpstream(tokens=10, rate=0, ttft=0) as mock:
        yield mock


@pytest.fixture
async def provider(mock: MockUpstream) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(KEY, mock.base_url, HttpClient(TIMEOUT))
    yield provider
    await provider.close()


def _body(request: Request) -> dict[str, Any]:
    said = body_of(request, OpenAIDialect(limit_name="max_tokens"))
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(said))
    return body


def _message(message: Message) -> dict[str, Any]:
    [wire] = _body(Request("m", [message]))["messages"]
    return wire  # type: ignore[no-any-return]


async def test_every_request_says_what_is_its_own(provider: OpenAIProvider, mock: MockUpstream) -> None:
    for question in ("first", "second, and longer"):
        tape, _ = await read(provider.stream(Request("mock?tokens=2", [Message("user", question)], {"temperature": 1})))
        assert tape.text() == numbered(2)
        asked = mock.stats.last_request
        assert asked is not None
        assert (asked.messages[-1]["content"], asked.options["temperature"], asked.authorized) == (question, 1, True)


async def test_tools_are_offered_and_called(provider: OpenAIProvider, mock: MockUpstream) -> None:
    request = Request("mock?tokens=1&tools=2", [Message("user", "hi")], tools=[TOOL], tool_choice="auto")
    tape, finish = await read(provider.stream(request))
    calls = whole_tool_calls(tape.slice())
    assert (len(calls), {call.name for call in calls}, finish.reason) == (2, {"now"}, "tool_calls")
    assert all(call.id and call.arguments for call in calls)
    assert mock.stats.last_request is not None
    assert mock.stats.last_request.options["tool_choice"] == "auto"


def test_the_sdk_tells_address_and_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "some-organisation")
    url, headers = find_endpoint(KEY, None)
    assert url == "https://api.openai.com/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["OpenAI-Organization"] == "some-organisation"
    assert all(isinstance(value, str) for value in headers.values())


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://localhost:1/v1", "http://localhost:1/v1/chat/completions"),
        ("http://localhost:1/v1/", "http://localhost:1/v1/chat/completions"),
        ("http://localhost:1/v1?version=2", "http://localhost:1/v1/chat/completions?version=2"),
    ],
)
def test_the_address_of_another_server(base_url: str, url: str) -> None:
    assert find_endpoint(KEY, base_url)[0] == url


def test_what_is_absent_is_not_sent() -> None:
    assert _body(Request("m", [Message("user", "hi")])) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_goes_with_the_messages() -> None:
    asked: dict[str, Any] = {
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "now"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}},
    }
    body = _body(Request("m", [Message("user", "hi")], **asked))
    assert {name: body[name] for name in asked} == asked


def test_a_call_and_its_result() -> None:
    call = Message("assistant", tool_calls=[ToolCallRequest("call-1", "now", '{"zone": "UTC"}')])
    assert _message(call) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call-1", "type": "function", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}}
        ],
    }
    assert _message(Message("tool", "12:00", tool_call_id="call-1")) == {
        "role": "tool",
        "content": "12:00",
        "tool_call_id": "call-1",
    }


def test_a_participant_has_a_name() -> None:
    assert _message(Message("user", "hi", name="Ada")) == {"role": "user", "content": "hi", "name": "Ada"}


@pytest.mark.parametrize(
    ("part", "wire"),
    [
        (TextContent("hi"), {"type": "text", "text": "hi"}),
        (ImageContent(Link("https://a/b.png")), {"type": "image_url", "image_url": {"url": "https://a/b.png"}}),
        (
            ImageContent(Data("image/png", b"\x89PNG")),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        ),
        (
            FileContent(Data("application/pdf", b"%PDF"), "a.pdf"),
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}},
        ),
    ],
)
def test_content_in_parts(part: ContentPart, wire: dict[str, Any]) -> None:
    assert _message(Message("user", [part]))["content"] == [wire]


async def test_a_file_by_its_address_is_refused(provider: OpenAIProvider) -> None:
    request = Request("mock", [Message("user", [FileContent(Link("https://a/b.pdf"))])])
    with pytest.raises(ProviderError, match="file's data") as raised:
        await read(provider.stream(request), Tape())
    assert not raised.value.transient
