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
from api.wires.seed import SeedWire
from tests.integration.conftest import eventually
from tests.patience import PATIENCE_SECONDS
from tests.unit.wires.sinks import CONTEXT

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
        [START, b"Upgrade: ", *[b"h" * 1000] * 70],
        [START, *[b"X-Many: " + b"h" * 100 + b"\r\n"] * 700],
        [b"GET /" + b"p" * HEAD_BYTES],
    ],
    ids=["at once", "bit by bit", "in an offer of another protocol", "in many headers", "in the path"],
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
        begun.set_result(HttpSink(200, [], SeedWire(CONTEXT).ping(), scope, send))
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


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body, in two pieces, and without a length."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body[:2], "more_body": True})
    await send({"type": "http.response.body", "body": body[2:]})


async def answer(pieces: list[bytes], app: ASGIApp = echo, *, half_close: bool = False) -> bytes:
    async with connection(app) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)  # in a packet of its own
        if half_close:
            writer.write_eof()
        return await reader.read()


CHUNKS = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
UPLOAD = POST + b"Content-Length: 5\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "offer",
    [
        OFFER,
        OFFER.lower(),
        b"UPGRADE : h2c\r\nConnection: Upgrade\r\n",
        b"Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
        b"Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n",
        b"Upgrade-Insecure-Requests: 1\r\n",
    ],
)
@pytest.mark.parametrize("size", [1000, 7, 1], ids=["whole", "in pieces", "byte by byte"])
async def test_offers_of_other_protocols_are_passed_over(offer: bytes, size: int) -> None:
    request = UPLOAD + offer + b"\r\nhello"
    pieces = [request[start : start + size] for start in range(0, len(request), size)]
    got = await answer(pieces)
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert got.endswith(CHUNKS)


async def test_a_body_that_looks_like_an_offer_is_none() -> None:
    body = b"a\nupgrade: h2c\n\nb"
    assert body[2:] in await answer([POST + b"Content-Length: %d\r\n" % len(body) + END + body])


async def test_an_offer_without_a_body_is_passed_over_and_the_next_request_is_read() -> None:
    async with connection() as (reader, writer):
        for _ in range(2):
            writer.write(START + OFFER + b"\r\n")
            assert (await reader.readline()).strip() == b"HTTP/1.1 204 No Content"
            assert (await reader.readline()).strip() == b""


@pytest.mark.parametrize("size", [5, 2 * HEAD_BYTES])
async def test_an_offer_is_passed_over_in_every_request_of_a_connection(size: int) -> None:
    """And no body is taken for a head, however large."""
    request = POST + b"Content-Length: %d\r\n" % size + OFFER + b"\r\n" + b"x" * size
    chunks = b"2\r\nxx\r\n%x\r\n%b\r\n0\r\n\r\n" % (size - 2, b"x" * (size - 2))
    async with connection(echo) as (reader, writer):
        for _ in range(2):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            assert await reader.readexactly(len(chunks)) == chunks


async def test_who_closes_their_side_gets_the_answer() -> None:
    assert (await answer([UPLOAD + b"\r\nhello"], half_close=True)).endswith(CHUNKS)


async def test_who_closes_their_side_before_the_end_of_the_request_has_left() -> None:
    assert await answer([UPLOAD + b"\r\nhell"], half_close=True) == b""


async def test_who_has_closed_their_side_is_told_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "FIRST_PROBE_SECONDS", 0.001)
    monkeypatch.setattr(protocol, "PROBE_SECONDS", 0.001)

    may_answer = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await may_answer.wait()
        await app(scope, receive, send)

    async with connection(slow) as (reader, writer):
        writer.write(START + END)
        writer.write_eof()
        for _ in range(2):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 102 Processing\r\n\r\n"
        may_answer.set()
        assert b"HTTP/1.1 204" in await reader.read()


@pytest.mark.parametrize("has_begun", [False, True])
async def test_who_has_left_altogether_is_found_out(monkeypatch: pytest.MonkeyPatch, has_begun: bool) -> None:
    monkeypatch.setattr(protocol, "PROBE_SECONDS", 0.05)
    gone = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        sink = HttpSink(200, [], SeedWire(CONTEXT).ping(), scope, send)
        if has_begun:
            await sink.send([b"x"])
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async with connection(endless) as (reader, writer):
        writer.write(START + END)
        if has_begun:
            await reader.readuntil(b"x")
        writer.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await gone.wait()


OLD = b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("half_close", [False, True])
async def test_an_old_client_gets_no_chunks(half_close: bool) -> None:
    head, _, body = (await answer([OLD], half_close=half_close)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == b"hello"


async def test_an_old_client_gets_a_length_where_there_is_one() -> None:
    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    got = await answer([OLD], whole)
    assert b"Content-Length: 5" in got or b"content-length: 5" in got
    assert got.endswith(b"\r\n\r\nhello")


async def test_an_old_client_sees_that_an_answer_broke_off() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    with pytest.raises(ConnectionResetError):
        await answer([OLD], broken)
