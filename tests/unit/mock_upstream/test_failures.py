"""The failures that the mock upstream can be asked for."""

import json

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from bench.mock_upstream import MockUpstream
from tests.unit.mock_upstream.conftest import MESSAGES, Raw, chunks_of, collect, numbered, question, text_of, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, openai.AuthenticationError, "invalid_api_key"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
        (503, openai.InternalServerError, None),
        (529, openai.InternalServerError, None),
    ],
)
async def test_a_status_is_an_error_in_openais_words(
    client: AsyncOpenAI, status: int, error: type[openai.APIStatusError], code: str | None
) -> None:
    with pytest.raises(error) as caught:
        await chunks_of(client, f"mock?status={status}&retry_after=0.5")

    assert caught.value.status_code == status
    assert caught.value.code == code
    assert caught.value.response.headers["retry-after"] == "0.5"
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}


async def test_a_request_can_fail_a_number_of_times(client: AsyncOpenAI, mock: MockUpstream) -> None:
    model = "mock?status=500&fail_times=2&id=a"
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await chunks_of(client, model)

    assert text_of(await chunks_of(client, model)) == numbered(10)
    with pytest.raises(openai.InternalServerError):
        await chunks_of(client, model.replace("id=a", "id=b"))
    assert mock.stats.tries == {"a": 3, "b": 1}


async def test_the_official_client_retries_by_itself(mock: MockUpstream) -> None:
    async with AsyncOpenAI(api_key="key", base_url=mock.base_url, max_retries=2) as client:
        chunks = await chunks_of(client, "mock?status=503&retry_after=0.01&fail_times=2&id=a")

    assert text_of(chunks) == numbered(10)
    assert mock.stats.tries == {"a": 3}


@pytest.mark.parametrize("tokens", [1, 6])
async def test_the_connection_drops_after_so_many_tokens(client: AsyncOpenAI, tokens: int) -> None:
    model = f"mock?drop_after={tokens}&drop_times=1&id=a"
    chunks: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIConnectionError):
        await collect(client, model, chunks)

    assert text_of(chunks) == numbered(tokens)
    assert text_of(await chunks_of(client, model)) == numbered(10)


@pytest.mark.parametrize("stream", [True, False])
async def test_the_connection_drops_before_any_answer(mock: MockUpstream, stream: bool) -> None:
    async with Raw(mock) as raw:
        raw.post("mock?drop_after=0", stream=stream)
        assert await raw.read_all() == b""
    assert mock.stats.open_streams == 0
    assert mock.stats.disconnects == 0


async def test_failures_come_first_and_drops_after_them(client: AsyncOpenAI) -> None:
    model = "mock?status=500&fail_times=1&drop_after=2&drop_times=1&id=a"
    with pytest.raises(openai.InternalServerError):
        await chunks_of(client, model)
    with pytest.raises(openai.APIConnectionError):
        await chunks_of(client, model)
    assert text_of(await chunks_of(client, model)) == numbered(10)


async def test_the_stream_can_hold_a_broken_event(client: AsyncOpenAI) -> None:
    with pytest.raises(json.JSONDecodeError):
        await chunks_of(client, "mock?garbage=json&garbage_after=3")


async def test_the_stream_can_hold_an_error(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIError, match="had an error"):
        await chunks_of(client, "mock?garbage=error&garbage_after=3")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", ["json", "html", "error"])
async def test_garbage_is_well_framed_and_nothing_follows_it(http: httpx.AsyncClient, kind: str, stream: bool) -> None:
    response = await http.post(
        "/v1/chat/completions", json=question(f"mock?garbage={kind}&garbage_after=2", stream=stream)
    )

    assert response.status_code == 200
    assert response.text.count("t00000") == (2 if stream else 0)
    assert "[DONE]" not in response.text
    assert ("502 Bad Gateway" in response.text) is (kind == "html")


@pytest.mark.parametrize(("model", "tokens"), [("mock?hang", 0), ("mock?stall_after=3", 3), ("mock?stall_after=0", 0)])
async def test_silence_lasts_until_the_client_leaves(mock: MockUpstream, model: str, tokens: int) -> None:
    async with Raw(mock) as raw:
        raw.post(model, stream=True)
        received = await raw.read_until_quiet()
        assert received.count(b"t00000") == tokens
        assert bool(received) is (model != "mock?hang")
        assert mock.stats.open_streams == 1

    await until(lambda: mock.stats.open_streams == 0)
    assert mock.stats.disconnects == 1


async def test_a_client_that_leaves_ends_its_stream(client: AsyncOpenAI, mock: MockUpstream) -> None:
    stream = await client.chat.completions.create(model="mock?rate=50&tokens=1000", messages=MESSAGES, stream=True)
    await anext(aiter(stream))
    assert mock.stats.open_streams == 1
    await stream.close()

    await until(lambda: mock.stats.open_streams == 0)
    assert mock.stats.disconnects == 1
    assert mock.stats.tokens < 1000


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "truncated"),
        (b"[]", "object"),
        (json.dumps({"model": "mock"}).encode(), "messages"),
        (json.dumps({"model": "mock", "messages": []}).encode(), "messages"),
        (json.dumps(question("mock?tokns=3")).encode(), "tokns"),
        (json.dumps(question("mock?tokens=-1")).encode(), "tokens"),
        (json.dumps(question("mock?text=poem")).encode(), "text"),
        (json.dumps(question("mock?fail_times=1")).encode(), "id"),
        (json.dumps(question("mock?hold_after=1")).encode(), "id"),
        (json.dumps(question("mock", max_tokens=0)).encode(), "max_tokens"),
    ],
)
async def test_a_request_that_cannot_be_is_refused(http: httpx.AsyncClient, body: bytes, says: str) -> None:
    response = await http.post("/v1/chat/completions", content=body)

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert says in response.json()["error"]["message"]
