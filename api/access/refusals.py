"""How a request is refused: with a problem, or, for a WebSocket, with a code that its page can read.

Browsers tell a page nothing of the answer to a refused handshake. So a client that offers our subprotocol is accepted
and closed at once, with a code: 4000 + the HTTP status that the error has.
"""

from contextlib import suppress

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.access.tickets import PROTOCOL
from api.http.problems import problem_of
from core.model.errors import Closing, HopstreamError

REASON_BYTES = 123
"""A closing frame holds no longer reason (RFC 6455, 5.5)."""
DONE, BUG, RESTART = 1000, 1011, 1012
"""RFC 6455, 7.4.1, and the IANA registry: in order; an unexpected condition; the service restarts, reconnect."""


def close_code(error: Exception | None) -> int:
    if error is None:
        return DONE
    if isinstance(error, Closing):
        return RESTART
    status = error.status if isinstance(error, HopstreamError) else 500
    return BUG if status == 500 else 4000 + status


def refusal_of(connection: HTTPConnection, error: HopstreamError) -> ASGIApp:
    """What answers a request that is refused."""
    scope = connection.scope
    if scope["type"] != "websocket" or PROTOCOL not in scope.get("subprotocols", ()):
        return problem_of(connection, error)

    async def accept_and_close(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL, "headers": []})
        await send({"type": "websocket.close", "code": close_code(error), "reason": _reason(error)})

    return accept_and_close


async def close(websocket: WebSocket, error: Exception | None) -> None:
    """Of a WebSocket that was accepted; because of `error`, or in order. A client that has left is let go."""
    if websocket.application_state is WebSocketState.CONNECTED:
        with suppress(WebSocketDisconnect):
            await websocket.close(close_code(error), _reason(error))


def _reason(error: Exception | None) -> str:
    message = error.message if isinstance(error, HopstreamError) else ""
    return message.encode()[:REASON_BYTES].decode(errors="ignore")
