"""The response of a stream: ready-made bytes, and a break where the wire asks for one."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Send

from api.viewer import Unfinished, Wire
from api.wires.sse import SseWire
from api.wires.text import TextWire
from core.errors import ProviderError

log = structlog.get_logger()

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class WireResponse(StreamingResponse):
    def __init__(self, frames: AsyncIterator[bytes], wire: Wire, headers: dict[str, str] | None = None) -> None:
        super().__init__(frames, headers={**STREAM_HEADERS, **(headers or {})}, media_type=wire.media_type)

    async def stream_response(self, send: Send) -> None:
        """An unfinished answer has no last chunk: the client's HTTP library reports it as cut off."""
        try:
            await super().stream_response(send)
        except Unfinished:
            log.warning("stream broken off", action="stream.unfinished")


async def respond(frames: AsyncIterator[bytes], wire: Wire, headers: dict[str, str] | None = None) -> WireResponse:
    """Plain text has no words for an error, so there the status waits for the first text. Raises ProviderError."""
    if isinstance(wire, SseWire):
        return WireResponse(frames, wire, headers)
    try:
        first = await _first_text(frames)
    except Unfinished as error:
        raise ProviderError(error.message) from error
    return WireResponse(_prepend(first, frames), wire, headers)


def choose_wire(accept: str | None, default: type[SseWire] | type[TextWire]) -> SseWire | TextWire:
    """By the `Accept` header; whoever asks for neither gets the default."""
    if accept and "text/event-stream" in accept:
        return SseWire()
    if accept and "text/plain" in accept:
        return TextWire()
    return default()


async def _first_text(frames: AsyncIterator[bytes]) -> bytes:
    async for frame in frames:
        if frame:
            return frame
    return b""


async def _prepend(first: bytes, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(frames):  # type: ignore[type-var]
        yield first
        async for frame in frames:
            yield frame
