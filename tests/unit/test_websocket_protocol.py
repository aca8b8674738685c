"""WebSockets on a real server: messages and handshakes are bounded, and a client that does not read is cut off."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.http import websocket_protocol
from api.http.protocol import BoundedHeadProtocol
from api.http.sizes import most_message_bytes
from api.streams.websocket_sink import WebSocketSink
from core.settings import get_settings
from tests.integration.conftest import eventually
from tests.patience import PATIENCE_SECONDS

MESSAGE_BYTES = most_message_bytes(get_settings())

pytestmark = pytest.mark.anyio

HEAD = [
    b"GET /ws HTTP/1.1",
    b"Host: x",
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + base64.b64encode(b"k" * 16),
]
BRIEF = 0.2
"""Seconds, in place of limits that are half a minute."""
NEVER = 1e6
"""For a busy machine to notice."""
NO_PINGS: dict[str, Any] = {"ws_ping_interval": None, "ws_ping_timeout": None}
QUICK_PINGS: dict[str, Any] = {"ws_ping_interval": BRIEF, "ws_ping_timeout": BRIEF}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has the limit that it is about, and no other one comes to its help."""
    monkeypatch.setattr(websocket_protocol, "WRITE_SECONDS", NEVER)
    monkeypatch.setattr(websocket_protocol, "CLOSE_SECONDS", NEVER)


Protocol = type[BoundedHeadProtocol] | type[H11Protocol]


class Server:
    def __init__(self, state: ServerState, address: tuple[str, int]) -> None:
        self.state = state
        self.address = address
        self.url = f"ws://{address[0]}:{address[1]}/ws"

    async def is_idle(self) -> None:
        """Wait until no connection is left."""
        await eventually(lambda: not self.state.connections and not self.state.tasks)


@asynccontextmanager
async def serving(app: ASGIApp, protocol: Protocol = BoundedHeadProtocol, **options: Any) -> AsyncIterator[Server]:
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, **options)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}, loop), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield Server(state, (host, port))
    finally:
        for connection in list(state.connections):
            connection.transport.abort()
        server.close()
        await eventually(lambda: not state.connections and not state.tasks)


def connecting(server: Server, **options: Any) -> connect:
    """A client that a busy machine does not lose patience with."""
    return connect(
        server.url,
        proxy=None,
        open_timeout=PATIENCE_SECONDS,
        close_timeout=PATIENCE_SECONDS,
        ping_interval=None,
        **options,
    )


@asynccontextmanager
async def frozen(server: Server) -> AsyncIterator[socket.socket]:
    """A client that opens a WebSocket and never reads more than the head of the answer."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, server.address)
        await loop.sock_sendall(client, b"\r\n".join([*HEAD, b"", b""]))
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 101"
        yield client


def app_of(serve: Callable[[WebSocket], Awaitable[None]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await serve(WebSocket(scope, receive, send))

    return app


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def flood(websocket: WebSocket) -> None:
    """As fast as the client takes it. To send does not yield while the client keeps up."""
    await websocket.accept()
    while True:
        await websocket.send_text("x" * 10_000)
        await asyncio.sleep(0)


async def test_a_message_of_the_limit_is_taken() -> None:
    async with serving(app_of(echo)) as server, connecting(server) as client:
        await client.send("x" * MESSAGE_BYTES)
        assert await client.recv() == "x" * MESSAGE_BYTES


@pytest.mark.parametrize("pieces", [1, 3], ids=["at once", "in fragments"])
async def test_a_larger_one_closes_its_connection_and_says_why(pieces: int) -> None:
    async with serving(app_of(echo)) as server, connecting(server) as client:
        size = MESSAGE_BYTES // pieces + 1
        await client.send(["x" * size] * pieces if pieces > 1 else "x" * size)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        assert str(MESSAGE_BYTES) in closed.value.rcvd.reason


async def test_nothing_is_compressed() -> None:
    async with serving(app_of(echo)) as server, connecting(server, compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def test_a_server_may_be_started_without_websockets() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body"})

    async with serving(app, ws="none") as server:
        with pytest.raises(InvalidStatus) as raised:
            await connecting(server)
        assert raised.value.response.status_code == 404


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([*HEAD, b"X-Long: " + b"h" * 9000], b"431"),
        ([*HEAD, *[b"X-Many: h"] * 200], b"431"),
        ([HEAD[0].replace(b"/ws", b"/" + b"p" * 9000), *HEAD[1:]], b"414"),
        ([*HEAD[:4], b"Sec-WebSocket-Version: 12", HEAD[5]], b"400"),
        (HEAD[:5], b"400"),
        ([*HEAD, b"X-Endless: " + b"h" * 70_000], b"4"),
    ],
    ids=["a long header", "many headers", "a long path", "another version", "no key", "a head that is too large"],
)
async def test_a_handshake_that_is_none_is_answered_and_ends(lines: list[bytes], status: bytes) -> None:
    async with serving(app_of(echo)) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        try:
            writer.write(b"\r\n".join([*lines, b"", b""]))
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 " + status)
        await server.is_idle()


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_protocol, "WRITE_SECONDS", BRIEF)
    async with serving(app_of(flood), **NO_PINGS) as server, frozen(server):
        await server.is_idle()


async def test_a_client_that_makes_room_in_time_is_not() -> None:
    async with serving(app_of(flood), **NO_PINGS) as server, connecting(server, max_queue=1) as client:
        await eventually(lambda: counts_down(server))
        while counts_down(server):
            assert await client.recv()
        client.transport.abort()


def counts_down(server: Server) -> bool:
    """To the moment at which its only client is cut off."""
    (connection,) = server.state.connections
    timer = connection._stalled  # type: ignore[union-attr]
    return timer is not None and not timer.cancelled()


async def test_one_that_does_not_answer_pings_is_cut_off_whatever_waits_for_it() -> None:
    async with serving(app_of(flood), **QUICK_PINGS) as server, frozen(server):
        await server.is_idle()


async def test_one_that_does_not_read_the_end_is_cut_off_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_protocol, "CLOSE_SECONDS", BRIEF)
    ended = asyncio.Event()

    async def say_goodbye(websocket: WebSocket) -> None:
        await websocket.accept()
        sink = WebSocketSink(websocket)
        while sink.is_ready:
            sink.write([b"x" * 10_000])
            await asyncio.sleep(0)
        ended.set()

    async with serving(app_of(say_goodbye), **NO_PINGS) as server, frozen(server):
        await ended.wait()
        await server.is_idle()


async def test_what_is_written_at_once_are_whole_messages_in_order() -> None:
    sizes = [0, 1, 125, 126, 65_535, 65_536, 70_000]

    async def stream(websocket: WebSocket) -> None:
        sink = WebSocketSink(websocket)
        assert not sink.is_ready
        await websocket.accept()
        for size in sizes:
            await eventually(lambda: sink.is_ready)
            sink.write([b"a" * size, "ü".encode()])
            await sink.send([b"sent"])
        await websocket.close()
        assert not sink.is_ready

    async with serving(app_of(stream)) as server, connecting(server) as client:
        received = [message async for message in client]
    assert received == [message for size in sizes for message in ("a" * size, "ü", "sent")]


async def test_nothing_is_written_to_a_client_that_does_not_read_or_has_left() -> None:
    paused = asyncio.Event()
    left = asyncio.Event()

    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        sink = WebSocketSink(websocket)
        writes = 0
        while sink.is_ready:
            sink.write([b"x" * 65_536])
            writes += 1
            await asyncio.sleep(0)
        assert writes < 1000
        paused.set()
        await websocket.receive()
        assert not sink.is_ready
        left.set()

    async with serving(app_of(stream)) as server, frozen(server) as client:
        await paused.wait()
        client.close()
        await left.wait()
