"""The seed wire: Server-Sent Events (WHATWG HTML 9.2). A reader that knows only `chunk` and `done` works."""

from typing import Any

import msgspec

from api.streams.cursor import Cursor
from api.wires.base import Frames, Wire
from core.model.errors import Closing, HopstreamError
from core.model.events import Done, End, Failed
from core.model.parts import Part, Reasoning, Text, ToolCall

RETRY_MS = 1000
_encode = msgspec.json.Encoder().encode


class SeedWire(Wire):
    name = "seed"
    media_type = "text/event-stream"

    def opening(self) -> Frames:
        return [b"retry: %d\n\n" % RETRY_MS]

    def queued(self, position: int) -> Frames:
        return [_event({"type": "queued", "position": position})]

    def started(self, at: Cursor, model: str) -> Frames:
        return [_event({"type": "start", "turn": at.turn, "attempt": at.attempt, "model": model}, at)]

    def restarted(self, at: Cursor, reason: str, *, has_sent: bool) -> Frames:
        return [_event({"type": "restart", "attempt": at.attempt, "reason": reason}, at)]

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        frames = []
        turn, attempt, position = start
        for part in parts:
            position += len(part)
            data = {"chunk": part.text} if type(part) is Text else _in_words(part)
            if data is not None:
                frames.append(_event(data, (turn, attempt, position)))
        return frames

    def ended(self, at: Cursor, end: End) -> Frames:
        match end:
            case Done(finish_reason=reason, usage=usage):
                counts = usage and {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
                return [_event({"type": "done", "finish_reason": reason, "usage": counts}, at)]
            case Failed(code=code, message=message):
                return [_event({"type": "error", "code": code, "message": message}, at)]

    def broken(self, error: Exception) -> Frames:
        """A process that closes says so in a comment: the client resumes elsewhere by itself."""
        if isinstance(error, Closing):
            return [b": closing\n\n"]
        code, message = (
            (error.code, error.message) if isinstance(error, HopstreamError) else ("internal_error", "internal error")
        )
        return [_event({"type": "error", "code": code, "message": message})]

    def ping(self) -> Frames:
        return [b": ping\n\n"]


def _in_words(part: Part) -> dict[str, Any] | None:
    """None for a part of a kind that this wire does not know."""
    match part:
        case Text(text):
            return {"chunk": text}
        case Reasoning(text):
            return {"reasoning": text}
        case ToolCall():
            return {"tool_call": {"id": part.id, "name": part.name, "arguments": part.arguments}}
        case _:
            return None


def _event(data: dict[str, Any], at: tuple[int, int, int] | None = None) -> bytes:
    """JSON has no raw line breaks, so one data line is enough."""
    if at is None:
        return b"data: " + _encode(data) + b"\n\n"
    return b"id: %d.%d.%d\ndata: " % at + _encode(data) + b"\n\n"
