"""The seed wire: Server-Sent Events (WHATWG HTML 9.2). A reader that knows only `chunk` and `done` works."""

from typing import Any

import msgspec

from api.streams.cursor import Cursor
from core.model.errors import Closing, HopstreamError
from core.model.events import Done, End, Failed
from core.model.parts import Part, Reasoning, Text, ToolCall

RETRY_MS = 1000
_encode = msgspec.json.Encoder().encode


class SeedWire:
    media_type = "text/event-stream"

    def opening(self) -> bytes:
        return b"retry: %d\n\n" % RETRY_MS

    def queued(self, position: int) -> bytes:
        return _event({"type": "queued", "position": position})

    def start(self, cursor: Cursor, model: str) -> bytes:
        return _event({"type": "start", "turn": cursor.turn, "attempt": cursor.attempt, "model": model}, cursor)

    def restart(self, cursor: Cursor, reason: str, *, has_sent: bool) -> bytes:
        return _event({"type": "restart", "attempt": cursor.attempt, "reason": reason}, cursor)

    def parts(self, parts: list[Part], start: Cursor) -> bytes:
        frames = []
        position = start.position
        for part in parts:
            position += len(part)
            if (data := _data(part)) is not None:
                frames.append(_event(data, start._replace(position=position)))
        return b"".join(frames)

    def end(self, cursor: Cursor, end: End) -> bytes:
        match end:
            case Done(finish_reason=reason, usage=usage):
                counts = usage and {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
                return _event({"type": "done", "finish_reason": reason, "usage": counts}, cursor)
            case Failed(code=code, message=message):
                return _event({"type": "error", "code": code, "message": message}, cursor)

    def broken(self, error: Exception) -> bytes:
        """A process that closes says so in a comment: the client resumes elsewhere by itself."""
        if isinstance(error, Closing):
            return b": closing\n\n"
        code, message = (
            (error.code, error.message) if isinstance(error, HopstreamError) else ("internal_error", "internal error")
        )
        return _event({"type": "error", "code": code, "message": message})

    def ping(self) -> bytes:
        return b": ping\n\n"


def _data(part: Part) -> dict[str, Any] | None:
    """None for what this wire has no words for."""
    match part:
        case Text(text):
            return {"chunk": text}
        case Reasoning(text):
            return {"reasoning": text}
        case ToolCall():
            return {"tool_call": {"id": part.id, "name": part.name, "arguments": part.arguments}}
        case _:
            return None


def _event(data: dict[str, Any], cursor: Cursor | None = None) -> bytes:
    """JSON has no raw line breaks, so one data line is enough."""
    if cursor is None:
        return b"data: " + _encode(data) + b"\n\n"
    return b"id: %d.%d.%d\ndata: " % cursor + _encode(data) + b"\n\n"
