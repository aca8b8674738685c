"""The mock upstream over real HTTP: what the bench and the other tests believe of it."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from bench.http_server import MAX_REQUEST_BYTES
from bench.mock_upstream import MockUpstream
from bench.tokens import AWKWARD, Ledger

pytestmark = pytest.mark.anyio

DEADLINE = 10  # seconds a condition may take to come true
QUIET = 0.2  # seconds after which what has not come is not coming
MESSAGES: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def mock() -> AsyncIterator[MockUpstream]:
    async with MockUpstream(tokens=10, rate=0, ttft=0) as mock:
        yield mock


@pytest.fixture
async def client(mock: MockUpstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="secret-key", base_url=mock.base_url, max_retries=0) as client:
        yield client


@pytest.fixture
async def http(mock: MockUpstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=mock.url, timeout=DEADLINE) as http:
        yield http


def numbered(count: int) -> str:
    return "".join(f"t{index:06d} " for index in range(count))


def question(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES, **more}


async def chunks_of(client: AsyncOpenAI, model: str, **more: Any) -> list[ChatCompletionChunk]:
    chunks: list[ChatCompletionChunk] = []
    await collect(client, model, chunks, **more)
    return chunks


async def collect(client: AsyncOpenAI, model: str, chunks: list[ChatCompletionChunk], **more: Any) -> None:
    """Keeps what came before an error, too."""
    stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **more)
    async for chunk in stream:
        chunks.append(chunk)  # noqa: PERF401


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def finish_of(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - the server's counters are plain numbers
            await asyncio.sleep(0.005)


class Raw:
    """A client that sees every byte."""

    def __init__(self, mock: MockUpstream) -> None:
        self._port = int(mock.url.rpartition(":")[2])

    async def __aenter__(self) -> "Raw":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.close()

    def post(self, model: str, *, version: str = "1.1", **more: Any) -> None:
        body = json.dumps(question(model, **more)).encode()
        head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: mock\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def read_to(self, end: bytes) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readuntil(end)

    async def read_all_to(self, end: bytes) -> bytes:
        """Like `read_to`, for more than a reader's buffer holds."""
        received = bytearray()
        async with asyncio.timeout(DEADLINE):
            while not received.endswith(end):
                received += await self.reader.read(1 << 20)
        return bytes(received)

    async def read_until_quiet(self) -> bytes:
        received = b""
        with suppress(TimeoutError):
            while part := await asyncio.wait_for(self.reader.read(65536), QUIET):
                received += part
        return received

    async def read_all(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()


# the answer


async def test_the_official_client_reads_a_stream(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, "mock?tokens=50")

    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == numbered(50)
    assert finish_of(chunks) == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


async def test_usage_comes_last_with_empty_choices_if_asked_for(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, "mock?tokens=7", stream_options={"include_usage": True})

    assert [bool(chunk.choices) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.completion_tokens, usage.total_tokens) == (7, usage.prompt_tokens + 7)


async def test_the_official_client_reads_a_whole_answer(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="mock?tokens=7", messages=MESSAGES)

    assert answer.choices[0].message.content == numbered(7)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 7


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(("limit", "reason"), [(3, "length"), (10, "stop"), (99, "stop")])
async def test_the_limit_of_tokens_is_kept(client: AsyncOpenAI, name: str, limit: int, reason: str) -> None:
    chunks = await chunks_of(client, "mock?tokens=10", **{name: limit})

    assert text_of(chunks) == numbered(min(limit, 10))
    assert finish_of(chunks) == [reason]


async def test_reasoning_comes_before_the_text(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, "mock?tokens=2&reasoning=2")

    deltas = [chunk.choices[0].delta.model_dump(exclude_none=True) for chunk in chunks[1:-1]]
    assert deltas == [
        {"reasoning_content": "r000000 "},
        {"reasoning_content": "r000001 "},
        {"content": "t000000 "},
        {"content": "t000001 "},
    ]


async def test_tool_calls_are_streamed_in_fragments(client: AsyncOpenAI) -> None:
    tool = {"type": "function", "function": {"name": "find_tea", "parameters": {}}}
    chunks = await chunks_of(client, "mock?tokens=0&tools=2", tools=[tool])

    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    arguments = ["", ""]
    for call in calls:
        assert call.function is not None
        arguments[call.index] += call.function.arguments or ""
    assert len(calls) > 4
    assert [call.function.name for call in calls if call.id and call.function] == ["find_tea", "find_tea"]
    assert [json.loads(text) for text in arguments] == [{"query": "tea in Żywiec", "limit": 3}] * 2
    assert finish_of(chunks) == ["tool_calls"]


async def test_a_whole_answer_holds_reasoning_and_tool_calls_too(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json=question("mock?tokens=0&reasoning=1&tools=1"))

    choice = response.json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["reasoning_content"] == "r000000 "
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])["limit"] == 3


async def test_awkward_text_arrives_as_it_is(client: AsyncOpenAI) -> None:
    text = text_of(await chunks_of(client, f"mock?tokens={len(AWKWARD)}&unicode"))

    assert text == "".join(f"t{index:06d} {awkward} " for index, awkward in enumerate(AWKWARD))


async def test_two_streams_do_not_mix(client: AsyncOpenAI) -> None:
    model = "mock?tokens=40&rate=400"
    answers = await asyncio.gather(*(chunks_of(client, model) for _ in range(5)))

    assert [text_of(chunks) for chunks in answers] == [numbered(40)] * 5


# the pace


async def test_the_schedule_is_absolute(client: AsyncOpenAI) -> None:
    """However late single tokens are on a busy machine, the pace does not drift."""
    asked = asyncio.get_running_loop().time()
    text = text_of(await chunks_of(client, "mock?tokens=200&rate=400&ttft=0.1&text=stamped"))

    stamps = [int(word.partition(":")[2]) / 1e9 for word in text.split()]
    late = sorted(stamp - asked - (0.1 + index / 400) for index, stamp in enumerate(stamps))
    assert len(stamps) == 200
    assert late[0] > -0.003  # timers are good to a millisecond, and the loop's clock is another's reading
    assert late[100] < 0.05


async def test_jitter_delays_tokens_but_keeps_their_order(client: AsyncOpenAI) -> None:
    assert text_of(await chunks_of(client, "mock?tokens=50&rate=1000&jitter=0.01")) == numbered(50)


async def test_stamps_tell_the_delay(client: AsyncOpenAI) -> None:
    ledger = Ledger()
    asked_ns = time.monotonic_ns()
    text = text_of(await chunks_of(client, "mock?tokens=20&rate=1000&text=stamped"))
    ledger.read(text, time.monotonic_ns())

    assert ledger.received == 20
    assert ledger.lost(20) == 0
    assert all(0 <= delay <= time.monotonic_ns() - asked_ns for delay in ledger.delays_ns)


async def test_a_reader_that_stops_is_waited_for(mock: MockUpstream) -> None:
    tokens = 100_000
    async with Raw(mock) as raw:
        raw.post(f"mock?tokens={tokens}", stream=True)
        await raw.read_to(b"t000000 ")
        before = -1
        while before != mock.stats.tokens:
            before = mock.stats.tokens
            await asyncio.sleep(QUIET)
        assert before < tokens

        rest = await raw.read_all_to(b"\r\n0\r\n\r\n")

    assert rest.count(b'"content":"t') == tokens - 1
    assert f'"content":"t{tokens - 1:06d} "'.encode() in rest


# failures


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
        (json.dumps(question("mock", max_tokens=0)).encode(), "max_tokens"),
    ],
)
async def test_a_request_that_cannot_be_is_refused(http: httpx.AsyncClient, body: bytes, says: str) -> None:
    response = await http.post("/v1/chat/completions", content=body)

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert says in response.json()["error"]["message"]


# HTTP


async def test_one_connection_serves_many_requests(mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        for _ in range(3):
            raw.post("mock?tokens=2", stream=True)
            assert (await raw.read_to(b"\r\n0\r\n\r\n")).count(b"t00000") == 2


async def test_pipelined_requests_are_answered_in_order(mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        for count in range(1, 30):
            raw.post(f"mock?tokens={count}&ttft=0.001", stream=True)
        for count in range(1, 30):
            assert (await raw.read_to(b"\r\n0\r\n\r\n")).count(b'"content":"t0') == count


async def test_an_http_1_0_client_gets_no_chunks(mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        raw.post("mock?tokens=2", version="1.0", stream=True)
        head, _, body = (await raw.read_all()).partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_a_body_may_come_in_chunks_and_late(mock: MockUpstream) -> None:
    body = json.dumps(question("mock?tokens=2")).encode()
    async with Raw(mock) as raw:
        raw.writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        assert await raw.read_to(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for byte in body:
            raw.writer.write(b"1\r\n%c\r\n" % byte)
        raw.writer.write(b"0\r\n\r\n")
        assert (await raw.read_to(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"what?\r\n\r\n", b"400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"GET /" + b"a" * (MAX_REQUEST_BYTES + 1) + b" HTTP/1.1\r\n\r\n", b"413"),
    ],
)
async def test_what_is_no_request_is_refused(mock: MockUpstream, request_bytes: bytes, status: bytes) -> None:
    async with Raw(mock) as raw:
        raw.writer.write(request_bytes)
        assert (await raw.read_to(b"\r\n")).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)]
)
async def test_unknown_routes_are_errors_in_openais_words(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await http.request(method, path)

    assert response.status_code == status
    assert path in response.json()["error"]["message"]


# what it tells


async def test_it_lists_its_model_and_its_health(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    assert [model.id async for model in client.models.list()] == ["mock"]
    assert (await http.get("/health")).json() == {"status": "ok"}


async def test_it_remembers_the_last_request_but_not_the_key(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    await chunks_of(client, "mock?tokens=2", temperature=0.5)
    response = await http.get("/stats")

    stats = response.json()
    assert stats["requests"] == 1
    assert stats["tokens"] == 2
    assert stats["last_request"] == {
        "model": "mock?tokens=2",
        "messages": MESSAGES,
        "options": {"temperature": 0.5, "stream": True},
        "authorized": True,
    }
    assert "secret-key" not in response.text


async def test_the_command_prints_its_url_and_ends_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.mock_upstream", "--port", "0", "--tokens", "3", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE), httpx.AsyncClient() as http:
            url = (await process.stdout.readline()).decode().strip()
            response = await http.post(f"{url}/v1/chat/completions", json=question("anything"))
            assert response.json()["choices"][0]["message"]["content"] == numbered(3)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
