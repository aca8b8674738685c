"""Streams behind a server that does not have our extension: as they are behind ours, by ASGI's own messages."""

import json
from contextlib import nullcontext

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.http.protocol import BoundedHeadProtocol
from api.streams.response import StreamResponse
from api.streams.socket import stream_to_socket
from api.wires.seed import SeedWire
from api.wires.stream_socket import StreamSocketWire
from core.model.events import Done
from core.model.feed import Feed
from core.model.parts import Text
from tests.integration.conftest import eventually
from tests.patience import PATIENCE_SECONDS
from tests.unit.test_websocket_protocol import Protocol, connecting, serving
from tests.unit.wires.sinks import CONTEXT

pytestmark = pytest.mark.anyio


@pytest.fixture
def feed() -> Feed:
    feed = Feed(CONTEXT.key)
    feed.start(1, "m")
    return feed


def grow(feed: Feed) -> None:
    for text in ("Bon", "jour"):
        feed.extend([Text(text)])
    feed.finish(Done(1, 7, "stop"))


@pytest.mark.parametrize("protocol", [H11Protocol, BoundedHeadProtocol])
async def test_a_response(feed: Feed, protocol: Protocol) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamResponse(nullcontext(feed), None, SeedWire(CONTEXT))(scope, receive, send)

    async with (
        serving(app, protocol) as server,
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", server.url.replace("ws", "http", 1)) as response,
    ):
        await eventually(lambda: feed._followers)
        grow(feed)
        body = (await response.aread()).decode()
    told = [json.loads(line.removeprefix("data: ")) for line in body.splitlines() if line.startswith("data: ")]
    assert "".join(event.get("chunk", "") for event in told) == "Bonjour"
    assert told[-1]["type"] == "done"


@pytest.mark.parametrize("protocol", [H11Protocol, BoundedHeadProtocol])
async def test_a_socket(feed: Feed, protocol: Protocol) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await stream_to_socket(websocket, nullcontext(feed), None, StreamSocketWire(CONTEXT))

    async with serving(app, protocol) as server, connecting(server) as client:
        told = [json.loads(await client.recv())]
        grow(feed)
        told += [json.loads(message) async for message in client]
    assert "".join(event.get("chunk", "") for event in told) == "Bonjour"
    assert (told[-1]["type"], client.close_code) == ("done", 1000)
