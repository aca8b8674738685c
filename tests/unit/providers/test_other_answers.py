"""What services send in place of a stream, and streams of servers that are only nearly OpenAI's: what comes of it, and
how often they are asked."""

from typing import Any, NamedTuple

import msgspec
import pytest

from core.model.errors import ContextTooLong, ProviderDropped, ProviderError
from core.model.events import Usage
from core.model.parts import Part, Reasoning, Text, ToolArguments, ToolCallBegun
from core.model.tape import Tape
from core.providers.base import Finish, Message, Request, Stream, Told
from core.providers.catalogue.catalogue import Route
from core.providers.catalogue.circuit import Circuit
from core.providers.catalogue.models import Model
from core.providers.http import answer
from core.providers.openai.provider import OpenAIProvider
from core.settings import Settings
from core.turns.attempts.tries import Tries
from tests.unit.providers.conformance import read
from tests.unit.providers.http_providing import KEY, Ending, stream_of
from tests.unit.providers.upstream import END, Then, Upstream, chunk, head, whole

pytestmark = pytest.mark.anyio

SSE = {"Content_Type": "text/event-stream"}
HELLO = 'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}\n\n'
STOP = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = "data: [DONE]\n\n"


class Answered(NamedTuple):
    parts: list[Part]
    finish: Finish = Ending("stop")


COMPLETION = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
WHOLE = msgspec.json.encode(COMPLETION)
CALL = '{"tool_calls":[{"index":null,"id":"a","function":{"name":"f","arguments":"{}"}}]}'
THOUGHT = '{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]}]}'


def choice(delta: str, reason: str = "null") -> str:
    return f'data: {{"choices":[{{"index":0,"delta":{delta},"finish_reason":{reason}}}]}}\n\n'


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param(
            whole(200, (HELLO + "data:\n\n" + STOP + DONE).encode(), **SSE),
            Answered([Text("Hello")]),
            id="an event without data",
        ),
        pytest.param(
            whole(200, (choice(THOUGHT) + HELLO + STOP + DONE).encode(), **SSE),
            Answered([Reasoning("Hm."), Text("Hello")]),
            id="content as a list",
        ),
        pytest.param(
            whole(200, (choice(CALL) + choice("{}", '"tool_calls"') + DONE).encode(), **SSE),
            Answered([ToolCallBegun("a", "f"), ToolArguments("{}", 0)], Ending("tool_calls")),
            id="an index that is null",
        ),
        pytest.param(
            whole(200, (choice(CALL) + choice("{}", '"stop"') + DONE).encode(), **SSE),
            Answered([ToolCallBegun("a", "f"), ToolArguments("{}", 0)], Ending("tool_calls")),
            id="a call that ends by stop",
        ),
        pytest.param(
            whole(
                200,
                (
                    HELLO + STOP + 'data: {"choices":[],"usage":{"prompt_tokens":3000000000,'
                    '"completion_tokens":2}}\n\n' + DONE
                ).encode(),
                **SSE,
            ),
            Answered([Text("Hello")]),
            id="more tokens than there are",
        ),
        pytest.param(
            whole(200, WHOLE, Content_Type="application/json"), Answered([Text("Hello")]), id="a JSON document"
        ),
        pytest.param(whole(200, b"\n \n" + WHOLE + b"\n", **SSE), Answered([Text("Hello")]), id="of the wrong type"),
        pytest.param(
            whole(200, msgspec.json.format(WHOLE), Content_Type="application/json"),
            Answered([Text("Hello")]),
            id="on several lines",
        ),
        pytest.param(
            whole(200, (HELLO + STOP + DONE).encode(), Content_Type="application/json"),
            Answered([Text("Hello")]),
            id="a stream that says it is a document",
        ),
        pytest.param(
            whole(200, (HELLO + STOP + DONE).encode()), Answered([Text("Hello")]), id="a stream without a type"
        ),
        pytest.param(whole(200, (HELLO + DONE).encode()), Answered([Text("Hello")]), id="no reason to finish"),
        pytest.param(whole(200, (HELLO + STOP).encode()), Answered([Text("Hello")]), id="no DONE"),
        pytest.param(whole(200, (HELLO + STOP.rstrip()).encode()), Answered([Text("Hello")]), id="no last line end"),
        pytest.param(
            whole(200, (HELLO + 'data: {"cho\n\n' + STOP + DONE).encode()),
            Answered([Text("Hello")]),
            id="an event that is spoilt",
        ),
        pytest.param(
            whole(200, (HELLO + STOP + 'data: {"error":"usage is not counted"}\n\n').encode()),
            Answered([Text("Hello")]),
            id="an error after the finish",
        ),
        pytest.param(
            whole(200, (HELLO + "data: " + STOP[:-1] + STOP + DONE).replace("data: data", "data").encode()),
            Answered([Text("Hello")]),
            id="two chunks in an event",
        ),
    ],
)
async def test_what_is_an_answer(
    provider: OpenAIProvider, upstream: Upstream, response: bytes, expected: Answered
) -> None:
    upstream.say(response)
    tape, finish = await read(stream_of(provider))
    assert (tape.slice(), finish) == expected
    assert len(upstream.asked) == 1


class Failed(NamedTuple):
    words: str
    requests: int = 1
    kind: type[ProviderError] = ProviderError


def error(status: int, body: Any, **headers: str) -> bytes:
    return whole(status, body if isinstance(body, bytes) else msgspec.json.encode(body), **headers)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param(
            error(200, {"error": {"message": "Invalid API key provided", "code": 401}}),
            Failed("refused the key (401), see OPENAI_API_KEY: Invalid API key provided"),
            id="200, JSON",
        ),
        pytest.param(
            error(200, b"<!doctype html><title>Open WebUI</title>"), Failed("see OPENAI_BASE_URL"), id="200, HTML"
        ),
        pytest.param(error(200, b"Model is not installed"), Failed("an error: Model is not installed"), id="200, text"),
        pytest.param(error(200, b"Service overloaded, try again"), Failed("overloaded", 3), id="200, passing text"),
        pytest.param(
            error(200, {"error": {"message": "Overloaded", "type": "overloaded_error"}}),
            Failed("an error: Overloaded", 3),
            id="200, overloaded",
        ),
        pytest.param(
            error(200, {"object": "error", "message": "no such model", "code": 404}),
            Failed("(404): no such model"),
            id="200, vLLM",
        ),
        pytest.param(
            error(200, b'event: error\ndata: {"code":400,"message":"context too long"}\n\n' + DONE.encode(), **SSE),
            Failed("context too long", kind=ContextTooLong),
            id="an error event",
        ),
        pytest.param(
            error(200, b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n', **SSE),
            Failed("exceeds the available", kind=ContextTooLong),
            id="an error field",
        ),
        pytest.param(
            error(200, b'data: {"error":{"message":"billing","type":"insufficient_quota"}}\n\n', **SSE),
            Failed("an error: billing"),
            id="in the stream, final",
        ),
        pytest.param(
            error(200, b'data: {"error":{"message":"slow down","code":429}}\n\n', **SSE),
            Failed("(429): slow down", 3),
            id="in the stream, passing",
        ),
        pytest.param(head() + END, Failed("without finishing", 3), id="nothing"),
        pytest.param(error(200, DONE.encode(), **SSE), Failed("without finishing", 3), id="DONE alone"),
        pytest.param(error(200, b'{"choices":[{"mess'), Failed("without finishing", 3), id="half a document"),
        pytest.param(
            error(400, b'{"error":{"message":"cut here: \\ud83d"}}'),
            Failed("400: cut here: \ufffd"),
            id="half an emoji",
        ),
        pytest.param(
            error(422, {"detail": [{"loc": ["body", "n"], "msg": "Extra inputs are not permitted"}]}),
            Failed("422: body.n: Extra inputs are not permitted"),
            id="FastAPI",
        ),
        pytest.param(
            error(429, {"error": {"message": "no money", "code": "insufficient_quota"}}),
            Failed("429: no money"),
            id="429 for good",
        ),
        pytest.param(error(429, {"error": {"message": "slow down"}}), Failed("429: slow down", 3), id="429"),
        pytest.param(
            error(500, {"error": {"message": "x"}}, X_Should_Retry="false"), Failed("500: x"), id="told not to"
        ),
        pytest.param(error(400, {"error": {"message": "x"}}, X_Should_Retry="true"), Failed("400: x", 3), id="told to"),
        pytest.param(error(529, b"overloaded"), Failed("529: overloaded", 3), id="529, text"),
        pytest.param(
            error(404, b"404 page not found"), Failed("404 page not found; see OPENAI_BASE_URL"), id="no such path"
        ),
        pytest.param(
            error(404, {"error": {"message": "The model m does not exist"}}),
            Failed("m does not exist"),
            id="no such model",
        ),
        pytest.param(
            error(401, {"error": {"message": f"Incorrect key {KEY}"}}),
            Failed("the key (401), see OPENAI_API_KEY: Incorrect key ***"),
            id="the key",
        ),
    ],
)
async def test_what_is_an_error(
    provider: OpenAIProvider, upstream: Upstream, response: bytes, expected: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.turns.attempts.tries._back_off", lambda _: 0)
    upstream.say(response)
    route = Route(Model(name="m", provider="openai"), provider, Circuit("m"))
    tries = Tries(Settings(provider_retries=2), Stream.aclose)
    with pytest.raises(ProviderError) as raised:
        await tries.open([route], lambda _: Request("m", [Message("user", "hi")]))
    assert type(raised.value) is expected.kind
    assert expected.words in raised.value.message
    assert len(upstream.asked) == expected.requests


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('data: {"error":{"message":"x","type":"invalid_request_error"}}\n\n', ProviderError),
        ('data: {"error":{"message":"x","code":"content_policy_violation"}}\n\n', ProviderError),
        ('data: {"error":{"message":"context too long","code":400}}\n\n', ContextTooLong),
        ('data: {"error":{"message":"Overloaded","type":"overloaded_error"}}\n\n', ProviderDropped),
        ('data: {"choices":[{"delta":{},"finish_reason":"error"}]}\n\n', ProviderDropped),
        ("", ProviderDropped),
    ],
)
async def test_only_what_may_pass_is_a_drop(
    provider: OpenAIProvider, upstream: Upstream, said: str, kind: type[ProviderError]
) -> None:
    """After a drop the answer is begun anew, and paid again."""
    upstream.say(whole(200, (HELLO + said).encode()))
    with pytest.raises(ProviderError) as raised:
        await read(stream_of(provider), tape := Tape())
    assert type(raised.value) is kind
    assert tape.text() == "Hello"


async def test_an_answer_is_over_although_its_service_ends_nothing(
    provider: OpenAIProvider, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "LAST_WORDS_SECONDS", 0.05)
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    upstream.say(head(), chunk((HELLO + STOP).encode()) + chunk(usage), then=Then.SILENCE)
    tape, finish = await read(stream_of(provider))
    assert (tape.text(), finish) == ("Hello", Ending("stop", Told(Usage(1, 2))))


async def test_a_document_without_an_end_does_not_fill_the_memory(provider: OpenAIProvider, upstream: Upstream) -> None:
    upstream.say(head(), chunk(b"{"), (chunk(b" " * 65536) for _ in range(1000)))
    with pytest.raises(ProviderError, match="cannot be read"):
        await anext(stream_of(provider))
