"""A WebSocket as a sink: one message for each frame."""

from functools import lru_cache

from starlette.websockets import WebSocket

from api.http.push import push_of
from api.wires.base import Frames

SHORT_BYTES = 1024


class WebSocketSink:
    """Of a WebSocket that was accepted."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._push = push_of(websocket.scope)

    @property
    def is_ready(self) -> bool:
        return self._push is not None and self._push.is_ready

    def write(self, frames: Frames) -> None:
        data = _text_message(frames[0]) if len(frames) == 1 else b"".join(map(_text_message, frames))
        self._push.write(data)  # type: ignore[union-attr]  # it is ready

    async def send(self, frames: Frames) -> None:
        """Raises WebSocketDisconnect."""
        for frame in frames:
            await self._websocket.send_text(frame.decode())


def _text_message(payload: bytes) -> bytes:
    """One frame, not masked, as servers send it (RFC 6455, 5.2)."""
    return _short_message(payload) if len(payload) < SHORT_BYTES else _message(payload)


def _message(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


_short_message = lru_cache(maxsize=256)(_message)
"""The viewers of an answer get the same payload one after another."""
