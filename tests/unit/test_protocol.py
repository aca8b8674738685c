"""The head of a request is bounded in size and time, however it is cut into pieces; a stream is written at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from api.http import protocol
from api.http.protocol import HEAD_BYTES, BoundedHeadProtocol
from api.streams.viewer import HttpSink
from tests.integration.conftest import eventually

pytestmark = pytest.mark.anyio

START = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
END = b"Connection: close\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@asynccontextmanager
async def connection(app: ASGIApp = app) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, port=0, http=BoundedHeadProtocol, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedHeadProtocol(config, state, {}, loop), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        server.close()
        await eventually(lambda: not state.connections and not state.tasks)


async def status_line(*pieces: bytes) -> bytes:
    """The answer's, to a request that is sent in these pieces; empty if there was none."""
    async with connection() as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return (await reader.readline()).strip()


@pytest.mark.parametrize(
    "pieces",
    [
        [START + END],
        [START, b"X-Long: ", b"h" * 60_000, b"\r\n", END],
        [POST + b"Content-Length: 500000\r\n" + END + b"b" * 500_000],
        [POST + b"Content-Length: 500000\r\n" + END, b"b" * 250_000, b"b" * 250_000],
        [START + b"\r\n" + START + b"\r\n"],
    ],
    ids=["short", "long", "with a body", "with a body, later", "two"],
)
async def test_a_bounded_head_is_read(pieces: list[bytes]) -> None:
    assert await status_line(*pieces) == b"HTTP/1.1 204 No Content"


@pytest.mark.parametrize(
    "pieces",
    [
        [START + b"X-Endless: " + b"h" * HEAD_BYTES],
        [START, b"X-Endless: ", *[b"h" * 1000] * 70],
        [START, *[b"X-Many: " + b"h" * 100 + b"\r\n"] * 700],
        [b"GET /" + b"p" * HEAD_BYTES],
    ],
    ids=["at once", "bit by bit", "in many headers", "in the path"],
)
async def test_a_larger_one_is_refused(pieces: list[bytes]) -> None:
    assert await status_line(*pieces) == b"HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize("pieces", [[], [START]], ids=["nothing", "half of it"])
async def test_a_slow_one_ends_its_connection(pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    assert await status_line(*pieces) == b""


@asynccontextmanager
async def streaming() -> AsyncIterator[tuple[HttpSink, asyncio.StreamReader]]:
    """A response whose client reads when we say so."""
    begun: asyncio.Future[HttpSink] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set_result(HttpSink(200, [], scope, send))
        await over.wait()

    async with connection(stream) as (reader, writer):
        writer.write(START + END)
        try:
            yield await begun, reader
        finally:
            over.set()


async def test_what_is_written_at_once_is_part_of_the_body() -> None:
    async with streaming() as (sink, reader):
        assert not sink.is_ready
        await sink.send([b"sent"])
        assert sink.is_ready
        sink.write([b"written", b" at once"])
        await sink.send([b", sent"])
        await sink.finish()
        assert not sink.is_ready
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert body == b"4\r\nsent\r\nf\r\nwritten at once\r\n6\r\n, sent\r\n0\r\n\r\n"


async def test_nothing_is_written_to_a_client_that_does_not_read() -> None:
    async with streaming() as (sink, reader):
        await sink.send([b"x"])
        writes = 0
        while sink.is_ready:
            sink.write([b"x" * 65_536])
            writes += 1
            await asyncio.sleep(0)
        assert writes < 1000
        while not sink.is_ready:
            await reader.read(1_000_000)


async def test_nothing_is_written_to_a_client_that_has_left() -> None:
    async with streaming() as (sink, reader):
        await sink.send([b"x"])
        reader._transport.abort()  # type: ignore[attr-defined]
        await eventually(lambda: not sink.is_ready)
