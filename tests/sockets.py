"""WebSockets of the API, for tests."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from api.access.tickets import PROTOCOL, TICKET_PROTOCOL
from tests.patience import PATIENCE_SECONDS

Event = dict[str, Any]


def open_socket(
    url: str,
    path: str,
    *,
    key: str | None = None,
    protocols: Sequence[str] = (PROTOCOL,),
    origin: str | None = None,
    **query: Any,
) -> connect:
    """`async with open_socket(api.url, …) as socket:`. Raises InvalidStatus where it is refused."""
    address = f"{url.replace('http', 'ws', 1)}{path}"
    return connect(
        f"{address}?{urlencode(query)}" if query else address,
        proxy=None,
        origin=None if origin is None else Origin(origin),
        subprotocols=[Subprotocol(protocol) for protocol in protocols] or None,
        additional_headers={"Authorization": f"Bearer {key}"} if key else None,
        open_timeout=PATIENCE_SECONDS,
        close_timeout=PATIENCE_SECONDS,
        ping_interval=None,
    )


def with_ticket(ticket: str) -> list[str]:
    """The subprotocols that offer it."""
    return [PROTOCOL, f"{TICKET_PROTOCOL}{ticket}"]


async def close_code(socket: ClientConnection) -> int | None:
    """Once the server has closed it, whatever came before."""
    await rest(socket)
    return socket.close_code


async def rest(socket: ClientConnection) -> list[Event]:
    """All that comes until the server closes it."""
    events = []
    try:
        while True:
            events.append(json.loads(await socket.recv(decode=True)))
    except ConnectionClosed:
        return events


async def read(url: str, session_id: str, **details: Any) -> list[Event]:
    """A turn's stream to its end, which must be a proper one."""
    async with open_socket(url, f"/ws/stream/{session_id}", **details) as socket:
        events = await rest(socket)
        assert socket.close_code == websockets.CloseCode.NORMAL_CLOSURE, (socket.close_code, socket.close_reason)
    return events


def text_of(events: list[Event]) -> str:
    """The answer that a reader of these events has on its screen."""
    text = ""
    for event in events:
        if event.get("type") == "restart":
            text = ""
        text += event.get("chunk", "")
    return text
