"""The seed wire: Server-Sent Events (WHATWG HTML 9.2). A reader that knows only `chunk` and `done` works."""

import msgspec

from api.wires.base import Frames
from api.wires.seed_events import Event, SeedEventsWire
from core.model.errors import Closing

RETRY_MS = 1000
_encode = msgspec.json.Encoder().encode


class SeedWire(SeedEventsWire):
    name = "seed"
    media_type = "text/event-stream"

    def frame(self, event: Event, at: tuple[int, int, int] | None = None) -> bytes:
        """JSON has no raw line breaks, so one data line is enough."""
        if at is None:
            return b"data: " + _encode(event) + b"\n\n"
        return b"id: %d.%d.%d\ndata: " % at + _encode(event) + b"\n\n"

    def opening(self) -> Frames:
        return [b"retry: %d\n\n" % RETRY_MS]

    def broken(self, error: Exception) -> Frames:
        """A process that closes says so in a comment: the client resumes elsewhere by itself."""
        return [b": closing\n\n"] if isinstance(error, Closing) else super().broken(error)

    def ping(self) -> Frames:
        return [b": ping\n\n"]
