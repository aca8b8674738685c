"""The OpenAI provider against an OpenAI-compatible server over real HTTP."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import msgspec
import openai
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.mock_upstream import MockUpstream
from bench.processes import free_port
from core.model.errors import ProviderDropped, ProviderError
from core.model.events import Usage
from core.model.parts import Part, ToolCall
from core.model.tape import Tape
from core.providers.base import Finish, Message, Request, Stream
from core.providers.openai.provider import OpenAIProvider, _retry_after
from core.turns.ticks import READ_SECONDS
from tests.client import numbered

pytestmark = pytest.mark.anyio

TIMEOUT = 0.5
"""Seconds the service may be silent."""
TICK = 0.01


@pytest.fixture
async def mock() -> AsyncIterator[MockUpstream]:
    async with MockUpstream(tokens=10, rate=0, ttft=0) as mock:
        yield mock


@pytest.fixture
async def provider(mock: MockUpstream) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider("secret-key", mock.base_url, TIMEOUT)
    yield provider
    await provider.close()


@pytest.fixture
async def compressed() -> AsyncIterator[OpenAIProvider]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        for event in (_event("Hi"), _event(" there"), _event(None, "stop"), b"data: [DONE]\n\n"):
            await response.write(event)
        return response

    async with _serving(answer) as provider:
        yield provider


@pytest.fixture
async def long_line() -> AsyncIterator[OpenAIProvider]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(_event("Hi"))
        with suppress(ConnectionError):  # the provider does not read to its end
            while True:
                await response.write(b"x" * 65_536)
        return response

    async with _serving(answer) as provider:
        yield provider


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a server that providers trust."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return context


@asynccontextmanager
async def _broken_off(rest: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stream]:
    """A stream whose "a" was read, and that was held while its service sent `rest` and then broke off."""
    is_held, is_gone = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunk(_event("a")))
        await is_held.wait()
        writer.write(rest)
        await writer.drain()
        writer.transport.abort()
        is_gone.set()

    async with _listening(answer, tls) as provider:
        stream = provider.stream(Request("m", [Message("user", "hi")]))
        await anext(stream)
        stream.hold()
        is_held.set()
        await is_gone.wait()
        yield stream
        await stream.aclose()


@asynccontextmanager
async def _listening(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[OpenAIProvider]:
    """For answers that no HTTP server would give."""
    server = await asyncio.start_server(answer, "127.0.0.1", ssl=tls)
    scheme, port = "https" if tls else "http", server.sockets[0].getsockname()[1]
    provider = OpenAIProvider("secret-key", f"{scheme}://127.0.0.1:{port}", TIMEOUT)
    try:
        yield provider
    finally:
        await provider.close()
        server.close()


@asynccontextmanager
async def _serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[OpenAIProvider]:
    app = web.Application()
    app.router.add_post("/chat/completions", answer)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    provider = OpenAIProvider("secret-key", str(server.make_url("/")), TIMEOUT)
    try:
        yield provider
    finally:
        await provider.close()
        await server.close()


def _event(text: str | None, finish: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _chunk(body: bytes) -> bytes:
    """Of a chunked body (RFC 9112, 7.1)."""
    return b"%x\r\n%s\r\n" % (len(body), body)


async def _rest(stream: Stream, tape: Tape | None = None) -> tuple[str, str]:
    """Text and finish reason of a stream that is held."""
    tape = Tape() if tape is None else tape
    await asyncio.sleep(TICK)
    stream.release()
    await asyncio.sleep(READ_SECONDS)
    tape.extend(stream.ready_parts())
    async for item in stream:
        if isinstance(item, Finish):
            return tape.text(), item.reason
        tape.extend(item)
    raise AssertionError("no finish")


async def _answer(provider: OpenAIProvider, model: str, tape: Tape, **options: object) -> Finish:
    request = Request(model, [Message("user", "hi")], options)
    async for item in provider.stream(request):
        if isinstance(item, Finish):
            return item
        tape.extend(item)
    raise AssertionError("no finish")


async def _read_in_ticks(provider: OpenAIProvider, model: str, tape: Tape) -> tuple[Finish, int]:
    """As the pace does it under load; also how often something was there."""
    stream, reads = provider.stream(Request(model, [Message("user", "hi")])), 0
    async for item in stream:
        if isinstance(item, Finish):
            return item, reads
        tape.extend(item)
        while parts := await _gathered(stream):
            tape.extend(parts)
            reads += 1
    raise AssertionError("no finish")


async def _gathered(stream: Stream) -> list[Part]:
    stream.hold()
    await asyncio.sleep(TICK)
    stream.release()
    await asyncio.sleep(READ_SECONDS)
    return stream.ready_parts()


async def test_text_and_usage(provider: OpenAIProvider) -> None:
    finish = await _answer(provider, "mock?tokens=20&unicode", tape := Tape())
    assert finish == Finish("stop", Usage(finish.usage.input_tokens if finish.usage else 0, 20))
    assert finish.usage is not None
    assert finish.usage.input_tokens > 0
    assert len(tape) > 20


async def test_under_load_it_is_looked_at(provider: OpenAIProvider) -> None:
    finish, reads = await _read_in_ticks(provider, "mock?tokens=100&rate=1000", tape := Tape())
    assert (tape.text(), finish.reason) == (numbered(100), "stop")
    assert finish.usage is not None
    assert finish.usage.output_tokens == 100
    assert reads > 3


async def test_what_is_held_is_not_read(provider: OpenAIProvider) -> None:
    stream = provider.stream(Request("mock?tokens=100000&rate=1000", [Message("user", "hi")]))
    await anext(stream)
    stream.hold()
    stream.ready_parts()
    await asyncio.sleep(TICK)
    assert stream.ready_parts() == []
    stream.release()
    await asyncio.sleep(READ_SECONDS)
    assert len(stream.ready_parts()) > 3
    await stream.aclose()


@pytest.mark.parametrize("trouble", ["drop_after=30", "stall_after=30", "garbage=json&garbage_after=30"])
async def test_trouble_under_load_is_a_drop(provider: OpenAIProvider, trouble: str) -> None:
    with pytest.raises(ProviderDropped):
        await _read_in_ticks(provider, f"mock?tokens=60&rate=1000&{trouble}", tape := Tape())
    assert numbered(30).startswith(tape.text())
    assert tape.text()


async def test_an_endless_event_under_load_is_a_drop(long_line: OpenAIProvider) -> None:
    with pytest.raises(ProviderDropped, match="no chat completion"):
        await _read_in_ticks(long_line, "m", tape := Tape())
    assert tape.text() == "Hi"


async def test_an_encrypted_body_is_looked_at_as_well(tls: ssl.SSLContext) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(50):
            await response.write(_event(f"t{number:06d} "))
            await asyncio.sleep(TICK / 10)
        await response.write(_event(None, "stop"))
        await response.write(b"data: [DONE]\n\n")
        return response

    async with _serving(answer, tls) as provider:
        finish, reads = await _read_in_ticks(provider, "m", tape := Tape())
    assert (tape.text(), finish.reason) == (numbered(50), "stop")
    assert reads > 1


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_what_an_encrypted_connection_brings_before_it_closes_is_read(tls: ssl.SSLContext) -> None:
    end = b"".join(map(_chunk, (_event("b"), _event(None, "stop"), b"data: [DONE]\n\n", b"")))
    async with _broken_off(end, tls) as stream:
        assert await _rest(stream) == ("b", "stop")


async def test_what_comes_before_a_connection_breaks_is_read() -> None:
    async with _broken_off(_chunk(_event("b"))) as stream:
        with pytest.raises(ProviderDropped):
            await _rest(stream, tape := Tape())
    assert tape.text() == "b"


async def test_a_connection_may_break_once_the_answer_is_done() -> None:
    async with _broken_off(b"".join(map(_chunk, (_event("b"), _event(None, "stop"), b"data: [DONE]\n\n")))) as stream:
        assert await _rest(stream) == ("b", "stop")


async def test_a_service_that_spoils_its_chunks_is_a_drop() -> None:
    async with _broken_off(b"no chunk\r\n") as stream:
        with pytest.raises(ProviderDropped):
            await _rest(stream)


async def test_a_service_that_speaks_no_http() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await reader.read()
        writer.close()

    async with _listening(greet) as provider:
        with pytest.raises(ProviderError, match="cannot be reached") as raised:
            await _answer(provider, "m", Tape())
    assert raised.value.transient


async def test_an_error_without_an_end_is_told_by_its_status() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=503, headers={"Retry-After": "7"})
        await response.prepare(request)
        with suppress(ConnectionError):  # the provider does not read to its end
            while True:
                await response.write(b"x" * 65_536)
        return response

    async with _serving(refuse) as provider:
        with pytest.raises(ProviderError, match="answered 503") as raised:
            await _answer(provider, "m", Tape())
    assert (raised.value.transient, raised.value.retry_after) == (True, 7)


async def test_a_compressed_body_is_read_as_well(compressed: OpenAIProvider) -> None:
    finish, reads = await _read_in_ticks(compressed, "m", tape := Tape())
    assert (tape.text(), finish.reason, reads) == ("Hi there", "stop", 0)


async def test_reasoning_comes_as_such(provider: OpenAIProvider) -> None:
    await _answer(provider, "mock?tokens=3&reasoning=2", tape := Tape())
    assert (tape.reasoning(), tape.text()) == ("r000000 r000001 ", numbered(3))


async def test_tool_calls_come_whole(provider: OpenAIProvider) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
    finish = await _answer(provider, "mock?tokens=1&tools=2", tape := Tape(), tools=[tool])
    calls = [part for part in tape.slice() if isinstance(part, ToolCall)]
    assert (len(calls), {call.name for call in calls}, finish.reason) == (2, {"now"}, "tool_calls")
    assert all(call.id and call.arguments for call in calls)


@pytest.mark.parametrize(
    ("status", "transient"),
    [(400, False), (401, False), (404, False), (408, True), (429, True), (500, True), (503, True)],
)
async def test_an_http_error_says_whether_a_retry_may_help(
    provider: OpenAIProvider, status: int, transient: bool
) -> None:
    with pytest.raises(ProviderError) as raised:
        await _answer(provider, f"mock?status={status}&retry_after=7", Tape())
    error = raised.value
    assert type(error) is ProviderError
    assert str(status) in error.message
    assert (error.transient, error.retry_after) == (transient, None if status == 401 else 7)
    assert "secret-key" not in error.message


@pytest.mark.parametrize("trouble", ["drop_after=3", "stall_after=3", "garbage=json&garbage_after=3"])
async def test_trouble_after_the_first_token_is_a_drop(provider: OpenAIProvider, trouble: str) -> None:
    with pytest.raises(ProviderDropped):
        await _answer(provider, f"mock?tokens=10&{trouble}", tape := Tape())
    assert numbered(10).startswith(tape.text())
    assert tape.text()


@pytest.mark.parametrize(
    ("trouble", "transient"), [("hang", True), ("drop_after=0", True), ("garbage=html", False), ("garbage=json", False)]
)
async def test_trouble_before_the_first_token(provider: OpenAIProvider, trouble: str, transient: bool) -> None:
    with pytest.raises(ProviderError) as raised:
        await _answer(provider, f"mock?{trouble}", Tape())
    assert type(raised.value) is ProviderError
    assert raised.value.transient in {transient, True}


async def test_a_server_that_is_not_there() -> None:
    provider = OpenAIProvider("secret-key", f"http://127.0.0.1:{free_port()}/v1", TIMEOUT)
    with pytest.raises(ProviderError, match="cannot be reached") as raised:
        await _answer(provider, "m", Tape())
    assert raised.value.transient
    await provider.close()


async def test_leaving_closes_the_request(provider: OpenAIProvider, mock: MockUpstream) -> None:
    stream = provider.stream(Request("mock?tokens=100000&rate=50", [Message("user", "hi")]))
    await anext(stream)
    await stream.aclose()
    assert await _answer(provider, "mock?tokens=1", Tape()) is not None


async def test_leaving_what_is_held_closes_the_request(provider: OpenAIProvider, mock: MockUpstream) -> None:
    stream = provider.stream(Request("mock?tokens=100000&rate=1000", [Message("user", "hi")]))
    await anext(stream)
    stream.hold()
    await stream.aclose()
    async with asyncio.timeout(2):
        while mock.stats.open_streams:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0)
    stream.release()  # too late, and no matter


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3), ("1.5", 1.5), ("-1", 0), ("soon", None), ("inf", None), ("", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert _retry_after(_refusal(value)) == seconds


def test_retry_after_as_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert _retry_after(_refusal(at)) == pytest.approx(90, abs=3)
    assert _retry_after(_refusal("Wed, 21 Oct 2015 07:28:00 GMT")) == 0


def _refusal(retry_after: str) -> openai.APIStatusError:
    request = httpx2.Request("POST", "http://localhost")
    response = httpx2.Response(429, headers={"retry-after": retry_after}, request=request)
    return openai.RateLimitError("slow down", response=response, body=None)


async def test_every_request_says_what_is_its_own(provider: OpenAIProvider, mock: MockUpstream) -> None:
    for question in ("first", "second, and longer"):
        async for _ in provider.stream(Request("mock?tokens=1", [Message("user", question)], {"temperature": 0.5})):
            pass
        asked = mock.stats.last_request
        assert asked is not None
        assert (asked.messages[-1]["content"], asked.authorized) == (question, True)


async def test_a_redirect_is_followed(mock: MockUpstream) -> None:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{mock.base_url}/chat/completions"})

    async with _serving(redirect) as provider:
        assert (await _answer(provider, "mock?tokens=3", tape := Tape())).reason == "stop"
    assert tape.text() == numbered(3)
