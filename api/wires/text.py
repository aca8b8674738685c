"""The plain text wire: the answer's text alone, or the words of its refusal, for curl."""

from api.streams.cursor import Cursor
from api.wires.base import Frames, Wire
from core.model.parts import Part, Refusal, Text


class TextWire(Wire):
    """Breaks off where it would have to take text back, or to say that the answer failed."""

    name = "text"
    media_type = "text/plain; charset=utf-8"

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        return [part.text.encode() for part in parts if isinstance(part, Text | Refusal)]
