"""The response of a question whose caller wants the answer whole: it comes once the turn has ended."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.streams.connected import run_while_connected
from core.model.errors import HopstreamError
from core.model.feed import Feed


class WholeResponse(Response):
    """`watching` is left as soon as the client is gone; `conclude` makes the response of what is stored by then.
    `headers` tell of the turn where it is an error."""

    def __init__(
        self,
        watching: AbstractAsyncContextManager[Feed],
        conclude: Callable[[], Awaitable[Response]],
        headers: dict[str, str],
    ) -> None:
        self.background = None
        self._watching = watching
        self._conclude = conclude
        self._headers_of_errors = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await run_while_connected(self._respond(scope, receive, send), receive)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._watching as feed:
                await until_over(feed)
            response = await self._conclude()
        except HopstreamError as error:
            error.headers |= self._headers_of_errors
            raise
        await response(scope, receive, send)


async def until_over(feed: Feed) -> None:
    """Raises what the feed broke down by."""
    with feed.watch() as changed:
        while not feed.is_over:
            changed.clear()
            await changed.wait()
    if feed.end is None and feed.error is not None:
        raise feed.error
