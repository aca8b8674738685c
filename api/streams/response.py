"""The response of a stream: a feed in the words of a wire, for as long as its client is there."""

from contextlib import AbstractAsyncContextManager

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.streams.connected import run_while_connected
from api.streams.cursor import Cursor
from api.streams.viewer import HttpSink, Viewer
from api.wires.base import Unfinished, Wire
from core.model.errors import HopstreamError, ProviderError
from core.model.feed import Feed

log = structlog.get_logger()

# A proxy that compresses would hold the words back until it has enough of them.
STREAM_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


class StreamResponse(Response):
    """Everything after `cursor`. `watching` is left as soon as the client is gone.

    A wire that breaks off before it has said anything raises what it broke off by, so that the status tells it.
    """

    def __init__(
        self,
        watching: AbstractAsyncContextManager[Feed],
        cursor: Cursor | None,
        wire: Wire,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status_code = 200
        self.media_type = wire.media_type
        self.background = None
        self.init_headers({**STREAM_HEADERS, **(headers or {})})
        self._watching = watching
        self._cursor = cursor
        self._wire = wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await run_while_connected(self._stream(scope, send), receive)

    async def _stream(self, scope: Scope, send: Send) -> None:
        sink = HttpSink(self.status_code, self.raw_headers, self._wire.ping(), scope, send)
        async with self._watching as feed:
            try:
                await Viewer(feed, self._cursor, self._wire, sink).run()
            except Unfinished as error:
                if not sink.has_begun:
                    raise _reason(error) from error
                log.warning("stream broken off", action="stream.unfinished")
            else:
                await sink.finish()


def _reason(error: Unfinished) -> HopstreamError:
    cause = error.__cause__
    return cause if isinstance(cause, HopstreamError) else ProviderError(error.message)
