"""ASGI middleware. Plain ASGI: Starlette's BaseHTTPMiddleware would stand between a stream and its client."""

import asyncio
import re
import secrets

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.http.asgi import with_head
from core.model.errors import TooLarge, TooSlow

_SEND = "hopstream.send"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


class RequestIdMiddleware:
    """Every response and log line has an `X-Request-ID`: the client's own if it is a sane one, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(8)
        scope["request_id"] = request_id
        scope[_SEND] = send

        def add(headers: MutableHeaders) -> None:
            headers["X-Request-ID"] = request_id

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, with_head(send, add))


def body_send(scope: Scope, send: Send) -> Send:
    """What sends the body of a stream past all middleware, which looks at heads alone."""
    straight: Send = scope.get(_SEND, send)
    return straight


class BodyLimitMiddleware:
    """413 for a body over `limit` bytes, whether it announces its length or not; 408 for one that takes longer than
    `seconds`."""

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        received = 0
        is_whole = False
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def limited_receive() -> Message:
            nonlocal received, is_whole
            if announced.isdecimal() and int(announced) > self._limit:
                raise self._error()
            try:
                async with asyncio.timeout_at(None if is_whole else deadline):
                    message = await receive()
            except TimeoutError:
                raise TooSlow(f"the body took longer than {self._seconds:g} s", field="body") from None
            is_whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._error()
            return message

        await self._app(scope, limited_receive, send)

    def _error(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self._limit} bytes", field="body")
