"""The plain text wire, for curl: the answer's text, or the words of its refusal, and a line for each step of an agent's
and each result of its tools."""

from api.streams.cursor import Cursor
from api.wires.base import Frames, Wire
from core.model.parts import Part, Refusal, StepBegun, Text, ToolResult

SHOWN_CHARS = 200
"""Of a tool's result, on one line."""


class TextWire(Wire):
    """Breaks off where it would have to take text back, or to say that the answer failed."""

    name = "text"
    media_type = "text/plain; charset=utf-8"

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        return [text.encode() for part in parts if (text := _text_of(part))]


def _text_of(part: Part) -> str:
    """Empty for a part that is not shown."""
    match part:
        case Text(text) | Refusal(text):
            return text
        case StepBegun(number) if number > 1:
            return f"\n[step {number}]\n"
        case ToolResult(_, content):
            word = " failed" if part.is_error else ""
            return f"\n[{part.name or 'tool'}{word}: {' '.join(content.split())[:SHOWN_CHARS]}]\n"
        case _:
            return ""
