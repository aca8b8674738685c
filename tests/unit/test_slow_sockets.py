"""A WebSocket whose client does not read: it costs a position in the feed, no memory, and gets everything later."""

import asyncio
import json
from contextlib import nullcontext

import pytest
from starlette.websockets import WebSocket

from api.http import websocket_protocol
from api.streams.socket import stream_to_socket
from api.wires.stream_socket import StreamSocketWire
from core.model.events import Done
from core.model.feed import Feed
from core.model.parts import Text
from tests.integration.conftest import eventually
from tests.unit.test_websocket_protocol import Server, app_of, connecting, frozen, serving
from tests.unit.wires.sinks import CONTEXT

pytestmark = pytest.mark.anyio

CHUNK = "x" * 10_000
CHUNKS = 2000
"""20 MB: several times what the kernel keeps for a connection."""
BUFFER_BYTES = 500_000
"""Of a connection in this process: asyncio's 64 KB, and a frame or two on top."""


@pytest.fixture
def feed() -> Feed:
    feed = Feed(CONTEXT.key)
    feed.start(1, "m")
    return feed


def buffered(server: Server) -> int:
    """Bytes of all connections that wait in this process."""
    return sum(connection.transport.get_write_buffer_size() for connection in server.state.connections)


async def grow(feed: Feed, server: Server) -> int:
    """The most that waited while the feed grew."""
    most = 0
    for number in range(CHUNKS):
        feed.extend([Text(CHUNK)])
        most = max(most, buffered(server))
        if number % 50 == 0:
            await asyncio.sleep(0)
    return most


async def test_it_costs_no_memory_and_misses_nothing(feed: Feed) -> None:
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        await stream_to_socket(websocket, nullcontext(feed), None, StreamSocketWire(CONTEXT))

    async with serving(app_of(stream)) as server, connecting(server, max_queue=1) as client:
        assert json.loads(await client.recv())["type"] == "start"
        most = await grow(feed, server)
        assert 0 < most < BUFFER_BYTES
        feed.finish(Done(1, len(feed.tape), "stop"))
        events = [json.loads(message) async for message in client]
    assert sum(len(event.get("chunk", "")) for event in events) == CHUNKS * len(CHUNK)
    assert events[-1]["type"] == "done"
    assert client.close_code == 1000


async def test_its_viewer_goes_when_it_is_cut_off(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_protocol, "WRITE_SECONDS", 0.2)

    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        await stream_to_socket(websocket, nullcontext(feed), None, StreamSocketWire(CONTEXT))

    async with serving(app_of(stream)) as server, frozen(server):
        await eventually(lambda: feed._followers)
        await grow(feed, server)
        await server.is_idle()
        assert not feed._followers
