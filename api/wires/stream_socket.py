"""The wire of `/ws/stream`: the seed wire's events as frames of a WebSocket, each with the `id` to resume after."""

import msgspec

from api.streams.cursor import Cursor
from api.wires.base import Frames
from api.wires.pieces import frame_pieces
from api.wires.seed import Event, SeedWire, failure
from core.model.errors import Closing
from core.model.parts import Part

_encode = msgspec.json.Encoder().encode


class StreamSocketWire(SeedWire):
    name = "stream_socket"
    media_type = "application/json"

    def frame(self, event: Event, at: tuple[int, int, int] | None = None) -> bytes:
        if at is None:
            return _encode(event)
        turn, attempt, position = at
        return _encode({"id": f"{turn}.{attempt}.{position}", **event})

    def opening(self) -> Frames:
        return []

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        return super().grew([piece for part in parts for piece in frame_pieces(part)], start)

    def broken(self, error: Exception) -> Frames:
        """A process that closes says so: the client resumes at once, and elsewhere."""
        if isinstance(error, Closing):
            return [_encode({"type": "goaway", "reason": error.message})]
        return [self.frame(failure(error))]

    def ping(self) -> Frames:
        """The protocol has pings of its own."""
        return []
