"""OpenAI's responses keep to what every provider keeps to, and an answer is fetched again by whoever wants its rest."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from openai.types.responses import response_create_params as params

from core.model.errors import ProviderError
from core.model.events import Usage
from core.model.parts import Part, Reasoning, Text, ToolArguments, ToolCall, ToolCallBegun
from core.model.tape import Tape
from core.providers.base import Finish, Kept, Message, Provider, Request, ToolCallRequest
from core.providers.http.client import HttpClient
from core.providers.openai_responses import provider as module
from core.providers.openai_responses.provider import OpenAIResponsesProvider
from core.providers.openai_responses.request import body_of
from tests.unit.providers.conformance import ProviderConformance, read
from tests.unit.providers.http_answers import HttpAnswers
from tests.unit.providers.http_failures import HttpFailures
from tests.unit.providers.http_providing import KEY, TIMEOUT, HttpProviding
from tests.unit.providers.upstream import Then, Upstream, whole

pytestmark = pytest.mark.anyio

ASKED = Request("m", [Message("user", "hi")])


def sse(kind: str, **fields: Any) -> bytes:
    event = {"type": kind, **fields}
    return f"event: {kind}\n".encode() + b"data: " + msgspec.json.encode(event) + b"\n\n"


class ResponsesProviding(HttpProviding):
    def provider_of(self, url: str, http: HttpClient) -> Provider:
        return OpenAIResponsesProvider(KEY, url, http)

    def event(self, part: Part) -> bytes:
        match part:
            case Text(text):
                return sse("response.output_text.delta", output_index=1, delta=text)
            case Reasoning(text):
                return sse("response.reasoning_summary_text.delta", output_index=0, delta=text)
            case ToolCall(call_id, name, arguments):
                item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name}
                index = abs(hash(call_id)) % 1000 + 2
                added = sse("response.output_item.added", output_index=index, item={**item, "arguments": ""})
                return added + sse("response.function_call_arguments.delta", output_index=index, delta=arguments)
        raise NotImplementedError

    def end(self, finish: Finish) -> bytes:
        usage = finish.told.usage
        assert usage is not None
        response: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "completed"}
        if finish.reason in ("length", "content_filter"):
            reason = "max_output_tokens" if finish.reason == "length" else finish.reason
            response |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        return sse(f"response.{response['status']}", response={**response, "usage": counts})

    def error(self, message: str) -> bytes:
        return msgspec.json.encode({"error": {"message": message, "type": "some_error", "param": None, "code": None}})

    def error_event(self, message: str) -> bytes:
        return sse("error", code="some_error", message=message, param=None)

    def nonsense(self) -> bytes:
        return b'data: {"type": "response.outp\n\n'


class TestOpenAIResponses(ResponsesProviding, ProviderConformance, HttpAnswers, HttpFailures):
    pass


def created(**more: Any) -> bytes:
    response = {"id": "resp_1", "object": "response", "status": "queued", "model": "gpt-9-2026", **more}
    return sse("response.created", response=response, sequence_number=0)


def delta(number: int, text: str, index: int = 0) -> bytes:
    return sse("response.output_text.delta", output_index=index, delta=text, sequence_number=number)


COMPLETED = sse(
    "response.completed",
    sequence_number=9,
    response={
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "usage": {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 5},
        },
    },
)
ITEMS = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Well. "}]},
    {"type": "message", "content": [{"type": "output_text", "text": "Hello there"}]},
    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a":1}'},
]


def document(status: str = "completed", **more: Any) -> bytes:
    return whole(200, msgspec.json.encode({"id": "resp_1", "object": "response", "status": status, **more}))


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OpenAIResponsesProvider]:
    provider = OpenAIResponsesProvider(KEY, f"{upstream.url}/v1", HttpClient(TIMEOUT))
    yield provider
    await provider.close()


async def test_it_tells_at_once_what_is_kept_and_then_how_far_it_was_read(
    provider: OpenAIResponsesProvider, upstream: Upstream
) -> None:
    upstream.say(whole(200, created() + delta(4, "Hel") + delta(5, "lo") + COMPLETED))
    kept: list[Kept] = []
    stream = provider.stream(msgspec.structs.replace(ASKED, on_kept=kept.append))
    tape, finish = await read(stream)
    assert kept == [Kept("resp_1")]
    assert (tape.text(), finish.reason, finish.raw) == ("Hello", "stop", "completed")
    assert finish.told.usage == Usage(9, 7, cached_tokens=4, reasoning_tokens=5)
    assert (finish.told.model, finish.told.kept) == ("gpt-9-2026", Kept("resp_1", 9, 5))
    assert upstream.asked[0].path == "/v1/responses"
    body = msgspec.json.decode(upstream.asked[0].body)
    assert (body["background"], body["store"], body["stream"]) == (True, True, True)


async def test_the_rest_is_fetched(provider: OpenAIResponsesProvider, upstream: Upstream) -> None:
    upstream.say(whole(200, delta(5, "lo") + COMPLETED))
    tape, _ = await read(provider.stream(msgspec.structs.replace(ASKED, kept=Kept("resp_1", 4, 3))))
    assert tape.text() == "lo"
    assert upstream.asked[0].path == "/v1/responses/resp_1?stream=true&starting_after=4"


async def test_an_item_that_was_read_before_is_not_read_again(
    provider: OpenAIResponsesProvider, upstream: Upstream
) -> None:
    done = sse("response.output_item.done", output_index=0, sequence_number=6, item=ITEMS[1])
    more = delta(8, " and more", 1)
    upstream.say(whole(200, done + more + COMPLETED))
    tape, _ = await read(provider.stream(msgspec.structs.replace(ASKED, kept=Kept("resp_1", 5, 11))))
    assert tape.text() == " and more"


async def test_a_fetch_that_is_cancelled_cancels_the_answer(
    provider: OpenAIResponsesProvider, upstream: Upstream
) -> None:
    stream = provider.stream(msgspec.structs.replace(ASKED, kept=Kept("resp_1", 5, 11)))
    upstream.say(document("cancelled"))
    await stream.cancel()
    assert [asked.path for asked in upstream.asked] == ["/v1/responses/resp_1/cancel"]


@pytest.mark.parametrize(("position", "rest"), [(0, "Hello there"), (6, "Hello there"), (9, "lo there")])
async def test_what_can_no_longer_be_streamed_is_polled(
    provider: OpenAIResponsesProvider, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, position: int, rest: str
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    too_old = whole(400, b'{"error":{"message":"This response can no longer be streamed"}}')
    upstream.say_first(too_old, document("in_progress"))
    upstream.say(document(output=ITEMS))
    tape, finish = await read(provider.stream(msgspec.structs.replace(ASKED, kept=Kept("resp_1", 4, position))))
    assert (tape.text(), finish.reason) == (rest, "tool_calls")
    assert tape.slice()[-2:] == [ToolCallBegun("c1", "look"), ToolArguments('{"a":1}', 0)]
    assert [asked.path for asked in upstream.asked[1:]] == ["/v1/responses/resp_1"] * 2


async def test_one_that_is_gone_is_an_error(provider: OpenAIResponsesProvider, upstream: Upstream) -> None:
    upstream.say(whole(404, b'{"error":{"message":"Response with id resp_1 not found."}}'))
    with pytest.raises(ProviderError, match="not found") as raised:
        await read(provider.stream(msgspec.structs.replace(ASKED, kept=Kept("resp_1"))))
    assert not raised.value.transient


async def test_a_cancelled_answer_is_cancelled_at_its_service(
    provider: OpenAIResponsesProvider, upstream: Upstream
) -> None:
    upstream.say(b"HTTP/1.1 200 OK\r\n\r\n" + created() + delta(4, "Hel"), then=Then.SILENCE)
    stream = provider.stream(ASKED)
    assert await anext(stream) == [Text("Hel")]
    upstream.say(document("cancelled"))
    async with asyncio.timeout(TIMEOUT / 3):
        await stream.cancel()
    assert upstream.asked[-1].path == "/v1/responses/resp_1/cancel"


async def test_one_that_is_left_is_not_cancelled(provider: OpenAIResponsesProvider, upstream: Upstream) -> None:
    upstream.say(b"HTTP/1.1 200 OK\r\n\r\n" + created() + delta(4, "Hel"), then=Then.SILENCE)
    stream = provider.stream(ASKED)
    await anext(stream)
    await stream.aclose()
    assert [asked.path for asked in upstream.asked] == ["/v1/responses"]


@pytest.mark.parametrize(
    ("status", "more", "reason"),
    [
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ("incomplete", {"incomplete_details": None}, "incomplete"),
    ],
)
async def test_how_it_ends(
    provider: OpenAIResponsesProvider, upstream: Upstream, status: str, more: dict[str, Any], reason: str
) -> None:
    end = sse(f"response.{status}", response={"id": "resp_1", "status": status, **more})
    upstream.say(whole(200, created() + delta(1, "a") + end))
    _, finish = await read(provider.stream(ASKED))
    assert finish.reason == reason


async def test_a_failed_response_is_an_error(provider: OpenAIResponsesProvider, upstream: Upstream) -> None:
    failed = {"id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "Sorry."}}
    upstream.say(whole(200, created() + sse("response.failed", response=failed)))
    with pytest.raises(ProviderError, match="Sorry") as raised:
        await read(provider.stream(ASKED))
    assert raised.value.transient


async def test_how_far_it_was_read_is_not_told_behind_a_call(
    provider: OpenAIResponsesProvider, upstream: Upstream
) -> None:
    """Whoever goes on there would not know which call the arguments are of."""
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": ""}
    added = sse("response.output_item.added", output_index=1, item=call, sequence_number=2)
    arguments = sse("response.function_call_arguments.delta", output_index=1, delta="{}", sequence_number=3)
    done = sse("response.output_item.done", output_index=1, item={**call, "arguments": "{}"}, sequence_number=4)
    upstream.say([b"HTTP/1.1 200 OK\r\n\r\n", created() + delta(1, "a", 0)], [added + arguments + done + COMPLETED])
    tape, finish = await read(provider.stream(ASKED))
    assert tape == Tape([Text("a"), ToolCallBegun("c1", "look"), ToolArguments("{}", 0)])
    assert finish.told.kept is None or finish.told.kept.position <= 1


def test_a_request_is_as_the_sdk_has_it() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    messages = [
        Message("system", "Be kind."),
        Message("user", "hi"),
        Message("assistant", "", [ToolCallRequest("c1", "look", "{}")]),
        Message("tool", "nothing", tool_call_id="c1"),
    ]
    schema = {"name": "s", "schema": {"type": "object"}}
    body = body_of(
        Request(
            "m",
            messages,
            {"max_tokens": 5, "reasoning_effort": "low", "temperature": 0.5},
            tools=[tool],
            tool_choice={"type": "function", "function": {"name": "look"}},
            response_format={"type": "json_schema", "json_schema": schema},
        )
    )
    known = {*params.ResponseCreateParamsStreaming.__annotations__, *params.ResponseCreateParamsBase.__annotations__}
    assert set(body) <= known
    assert body["input"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "nothing"},
    ]
    assert body["tools"][0]["name"] == body["tool_choice"]["name"] == "look"
    assert body["text"] == {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}}
    assert (body["max_output_tokens"], body["reasoning"]) == (5, {"effort": "low", "summary": "auto"})
