"""The plain text wire: the answer's text alone, for curl."""

from api.streams.cursor import Cursor
from api.streams.viewer import Unfinished
from core.model.events import End, Failed
from core.model.parts import Part, Text


class TextWire:
    """Breaks off where it would have to take text back, or to say that the answer failed."""

    media_type = "text/plain; charset=utf-8"

    def opening(self) -> bytes:
        return b""

    def queued(self, position: int) -> bytes:
        return b""

    def start(self, cursor: Cursor, model: str) -> bytes:
        return b""

    def restart(self, cursor: Cursor, reason: str, *, has_sent: bool) -> bytes:
        if has_sent:
            raise Unfinished(f"the answer was restarted ({reason}) after text was sent")
        return b""

    def parts(self, parts: list[Part], start: Cursor) -> bytes:
        return "".join(part.text for part in parts if isinstance(part, Text)).encode()

    def end(self, cursor: Cursor, end: End) -> bytes:
        if isinstance(end, Failed):
            raise Unfinished(end.message)
        return b""

    def broken(self, error: Exception) -> bytes:
        raise Unfinished("the stream broke off") from error

    def ping(self) -> bytes:
        return b""
