"""Requests as they arrive, by way of proxies and from clients of every kind: one address for each resource within."""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class AddressMiddleware:
    """Takes a slash at the end of a path away, answers HEAD as GET without its body, and knows the prefix under which a
    proxy serves this API: `root_path`, or the proxy's own `X-Forwarded-Prefix`, whether the proxy strips it or not."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope = {**scope, **self._addressed(scope)}
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET", "extensions": {}}, receive, _without_body(send))
        else:
            await self._app(scope, receive, send)

    def _addressed(self, scope: Scope) -> Scope:
        """ASGI's path begins with the prefix."""
        path: str = scope["path"]
        root = scope.get("root_path") or self._root_path or _forwarded_prefix(scope)
        if root and path != root and not path.startswith(f"{root}/"):
            path = root + path
        bare = path.rstrip("/")
        return {"root_path": root, "path": f"{root}/" if bare == root else bare}


def _without_body(send: Send) -> Send:
    """Ends the response with its head. After that the server tells the app that the client has gone."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head


def _forwarded_prefix(scope: Scope) -> str:
    prefix = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) else ""
