"""How many streams this process holds open, for one client and in all: the memory of a process is bounded."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.problems import problem_of
from core.model.errors import TooManyStreams

RETRY_AFTER_SECONDS = 5


class StreamLimits:
    def __init__(self, per_client: int, in_all: int) -> None:
        self._per_client = per_client
        self._in_all = in_all
        self._open: Counter[str] = Counter()

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """One stream of this client, for as long as it is open. Raises TooManyStreams."""
        if self._open[client] >= self._per_client:
            raise TooManyStreams(
                f"you have {self._per_client} streams open at this server, its limit for one client",
                retry_after=RETRY_AFTER_SECONDS,
            )
        if self._open.total() >= self._in_all:
            raise TooManyStreams(
                f"this server has {self._in_all} streams open, its limit", retry_after=RETRY_AFTER_SECONDS
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class StreamLimitMiddleware:
    """Counts the requests that may become streams, from their first byte to their last."""

    def __init__(self, app: ASGIApp, per_client: int, in_all: int) -> None:
        self._app = app
        self._limits = StreamLimits(per_client, in_all)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (scope["path"] == "/chat" or scope["path"].startswith("/stream/")):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        try:
            with self._limits.hold(client[0] if client else ""):
                await self._app(scope, receive, send)
        except TooManyStreams as error:
            await problem_of(Request(scope), error)(scope, receive, send)
