"""Servers that know an option by another name, or not at all, and the addresses that people paste."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from core.model.errors import ProviderError
from core.providers.base import Message, Request, ToolCallRequest
from core.providers.http.client import HttpClient
from core.providers.http.dialect import MAX_MODELS, Dialects
from core.providers.http.failures import Refused
from core.providers.openai.dialect import OpenAIDialect
from core.providers.openai.provider import OpenAIProvider, find_endpoint
from core.settings import Settings
from tests.unit.providers.conformance import read
from tests.unit.providers.http_providing import KEY, TIMEOUT
from tests.unit.providers.upstream import Upstream, whole

pytestmark = pytest.mark.anyio

ANSWER = whole(200, b'data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')


def refusal(message: str, status: int = 400, **more: Any) -> bytes:
    return whole(status, msgspec.json.encode({"error": {"message": message, **more}}))


NO_MAX_TOKENS = refusal(
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    type="invalid_request_error", param="max_tokens", code="unsupported_parameter",
)  # fmt: skip


def extra(name: str) -> bytes:
    """As FastAPI has it."""
    error = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
    return whole(422, msgspec.json.encode({"detail": [error]}))


NO_COMPLETION_TOKENS = extra("max_completion_tokens")
NO_STREAM_OPTIONS = extra("stream_options")


async def ask(provider: OpenAIProvider, model: str = "m", **options: Any) -> str:
    tape, _ = await read(provider.stream(Request(model, [Message("user", "hi")], options)))
    return tape.text()


def options_of(upstream: Upstream) -> list[list[str]]:
    """Of each request: those that there are two minds about."""
    bodies = [msgspec.json.decode(asked.body) for asked in upstream.asked]
    return [[name for name in body if name.startswith(("max_", "stream_"))] for body in bodies]


async def test_a_limit_by_its_other_name(provider: OpenAIProvider, upstream: Upstream) -> None:
    upstream.say(ANSWER)
    upstream.say_first(NO_MAX_TOKENS)
    assert [await ask(provider, max_tokens=5) for _ in range(2)] == ["Hello", "Hello"]
    new = ["stream_options", "max_completion_tokens"]
    assert options_of(upstream) == [["stream_options", "max_tokens"], new, new]


async def test_a_limit_by_its_old_name(upstream: Upstream, provider: OpenAIProvider) -> None:
    provider._dialects = Dialects(OpenAIDialect())
    upstream.say(ANSWER)
    upstream.say_first(NO_COMPLETION_TOKENS)
    assert await ask(provider, max_tokens=5) == "Hello"
    assert options_of(upstream)[1:] == [["stream_options", "max_tokens"]]


async def test_no_stream_options(provider: OpenAIProvider, upstream: Upstream) -> None:
    upstream.say(ANSWER)
    upstream.say_first(NO_STREAM_OPTIONS)
    assert [await ask(provider) for _ in range(2)] == ["Hello", "Hello"]
    assert options_of(upstream) == [["stream_options"], [], []]


async def test_neither_of_them(provider: OpenAIProvider, upstream: Upstream) -> None:
    upstream.say(ANSWER)
    upstream.say_first(NO_STREAM_OPTIONS, NO_MAX_TOKENS)
    assert await ask(provider, max_tokens=5) == "Hello"
    assert options_of(upstream)[2:] == [["max_completion_tokens"]]


async def test_it_is_remembered_for_the_model_alone(provider: OpenAIProvider, upstream: Upstream) -> None:
    upstream.say(ANSWER)
    upstream.say_first(NO_MAX_TOKENS)
    await ask(provider, "new", max_tokens=5)
    await ask(provider, "old", max_tokens=5)
    assert options_of(upstream)[2:] == [["stream_options", "max_tokens"]]


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (NO_STREAM_OPTIONS, 2),
        (NO_MAX_TOKENS, 2),
        (refusal("max_tokens is too large: 99999. This model supports at most 4096.", code="invalid_value"), 1),
        (refusal("temperature: unsupported value"), 1),
        (refusal("max_tokens is not supported", 500), 1),
    ],
    ids=["stream_options", "max_tokens", "a value", "another option", "another status"],
)
async def test_a_server_that_goes_on_refusing(
    provider: OpenAIProvider, upstream: Upstream, answer: bytes, requests: int
) -> None:
    upstream.say(answer)
    with pytest.raises(ProviderError):
        await ask(provider, max_tokens=5)
    assert len(upstream.asked) == requests
    assert provider._dialects.of("m") == OpenAIDialect(limit_name="max_tokens")


CALL = ToolCallRequest("1", "now", "{}")
WITH_CALLS = [
    Message("user", "hi"),
    Message("assistant", "", [CALL], reasoning="What time is it?"),
    Message("tool", "noon", tool_call_id="1"),
    Message("assistant", "", [CALL]),
    Message("tool", "noon", tool_call_id="1"),
    Message("assistant", "Noon."),
]


@pytest.mark.parametrize(
    "says",
    [
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Missing `reasoning_content` field in the assistant message at message index 2.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ],
)
async def test_reasoning_goes_back_to_those_that_want_it(
    provider: OpenAIProvider, upstream: Upstream, says: str
) -> None:
    upstream.say(ANSWER)
    upstream.say_first(refusal(says, type="invalid_request_error"))
    for _ in range(2):
        tape, _ = await read(provider.stream(Request("m", WITH_CALLS)))
        assert tape.text() == "Hello"
    asked = [msgspec.json.decode(each.body)["messages"] for each in upstream.asked]
    without, once = ([message.get("reasoning_content") for message in messages] for messages in asked[:2])
    assert without == [None] * 6
    assert once == [None, "What time is it?", None, "", None, None]
    assert asked[2:] == asked[1:2]


async def test_reasoning_without_calls_is_not_tried(provider: OpenAIProvider, upstream: Upstream) -> None:
    upstream.say(refusal("Unknown parameter: reasoning_content"))
    with pytest.raises(ProviderError):
        await ask(provider)
    assert len(upstream.asked) == 1


def test_an_option_that_was_not_asked_for_is_not_exchanged() -> None:
    request = Request("m", [Message("user", "hi")])
    refused = Refused(400, b'{"error":{"message":"max_tokens is not supported"}}')
    assert OpenAIDialect(limit_name="max_tokens").after(refused, request) is None


def test_what_is_remembered_is_bounded() -> None:
    dialects, other = Dialects(OpenAIDialect(limit_name="max_tokens")), OpenAIDialect()
    for number in range(MAX_MODELS + 1):
        dialects.remember(str(number), other)
    assert [dialects.of("0"), dialects.of("1")] == [OpenAIDialect(limit_name="max_tokens"), other]


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("", "/chat/completions"),
        ("/v1?api-version=1&x=a%20b", "/v1/chat/completions?api-version=1&x=a%20b"),
        ("/v1/?api-version=1", "/v1/chat/completions?api-version=1"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/deployments/a%2Fb", "/openai/deployments/a%2Fb/chat/completions"),
        ("/v1#part", "/v1/chat/completions"),
    ],
)
async def test_the_path_that_is_asked_for(upstream: Upstream, base_url: str, path: str) -> None:
    provider = OpenAIProvider(KEY, upstream.url + base_url, HttpClient(TIMEOUT))
    upstream.say(ANSWER)
    await ask(provider)
    await provider.close()
    assert upstream.asked[0].path == path


@pytest.mark.parametrize(
    ("said", "meant"), [("user:pw", b"user:pw"), ("us%40er:p%3Aw", b"us@er:p:w"), ("user", b"user:")]
)
async def test_user_and_password_of_the_address(upstream: Upstream, said: str, meant: bytes) -> None:
    address = upstream.url.replace("://", f"://{said}@")
    provider = OpenAIProvider(KEY, f"{address}/v1", HttpClient(TIMEOUT))
    upstream.say(ANSWER)
    assert await ask(provider) == "Hello"
    await provider.close()
    assert upstream.asked[0].headers["authorization"] == f"Basic {b64encode(meant).decode()}"
    assert "@" not in upstream.asked[0].headers["host"]


async def test_without_a_key_none_is_sent(upstream: Upstream) -> None:
    upstream.say(ANSWER)
    for address, header in ((upstream.url, None), (upstream.url.replace("://", "://user:pw@"), "Basic dXNlcjpwdw==")):
        provider = OpenAIProvider(None, f"{address}/v1", HttpClient(TIMEOUT))
        assert await ask(provider) == "Hello"
        await provider.close()
        assert upstream.asked[-1].headers.get("authorization") == header


async def test_the_password_of_the_address_is_not_told(upstream: Upstream) -> None:
    address = upstream.url.replace("://", "://user:top%2Fsecret@")
    provider = OpenAIProvider(KEY, f"{address}/v1", HttpClient(TIMEOUT))
    upstream.say(refusal("no such password: top/secret or top%2Fsecret", 400))
    with pytest.raises(ProviderError) as raised:
        await ask(provider)
    await provider.close()
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    "url", ["localhost:8080/v1", "//x/v1", "ftp://x/v1", "http://", "http:///v1", "http://x:y/v1", "v1"]
)
def test_an_address_that_is_none_is_refused_by_the_setting_s_name(url: str) -> None:
    with pytest.raises(ValueError, match="openai_base_url"):
        Settings(openai_base_url=url)


def test_the_official_address_where_none_is_set() -> None:
    assert find_endpoint(KEY, None)[0] == "https://api.openai.com/v1/chat/completions"
