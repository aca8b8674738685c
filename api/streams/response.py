"""The response of a stream: a feed in the words of a wire, for as long as its client is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.protocol import push_of
from api.http.requests import body_send
from api.streams.cursor import Cursor
from api.streams.viewer import Unfinished, Wire, view
from api.wires.seed import SeedWire
from api.wires.text import TextWire
from core.model.errors import HopstreamError, ProviderError
from core.model.feed import Feed

log = structlog.get_logger()

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class StreamResponse(Response):
    """Everything after `cursor`. `watching` is left as soon as the client is gone.

    Plain text has no words for an error, so there the status waits for the first text. Raises ProviderError, and what
    the feed broke down by.
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
        # In a task of its own: from here each wake-up would go through all the middleware above.
        streaming = asyncio.create_task(self._stream(scope, send), name="stream")
        leaving = asyncio.create_task(_until_gone(receive), name="stream's client")
        try:
            await asyncio.wait([streaming, leaving], return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                streaming.result()
        finally:
            streaming.cancel()
            leaving.cancel()
            await asyncio.wait([streaming, leaving])

    async def _stream(self, scope: Scope, send: Send) -> None:
        send_body = body_send(scope, send)
        async with (
            self._watching as feed,
            aclosing(view(feed, self._cursor, self._wire, push_of(scope))) as frames,
        ):
            first = await _first_text(frames) if isinstance(self._wire, TextWire) else b""
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                if first:
                    await send_body({"type": "http.response.body", "body": first, "more_body": True})
                async for frame in frames:
                    await send_body({"type": "http.response.body", "body": frame, "more_body": True})
            except Unfinished:  # without a last chunk: the client's HTTP library reports the answer as cut off
                log.warning("stream broken off", action="stream.unfinished")
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def choose_wire(accept: str | None, default: type[SeedWire] | type[TextWire]) -> SeedWire | TextWire:
    """By the `Accept` header; whoever asks for neither gets the default."""
    if accept and "text/event-stream" in accept:
        return SeedWire()
    if accept and "text/plain" in accept:
        return TextWire()
    return default()


async def _first_text(frames: AsyncIterator[bytes]) -> bytes:
    try:
        async for frame in frames:
            if frame:
                return frame
    except Unfinished as error:
        if isinstance(error.__cause__, HopstreamError):
            raise error.__cause__ from None
        raise ProviderError(error.message) from error
    return b""
