"""The events of the seed wire, as JSON objects. How one of them is framed is up to the wires that send them."""

from typing import Any

from api.streams.cursor import Cursor
from api.wires.base import Frames, Wire
from core.model.errors import HopstreamError
from core.model.events import Done, End, Failed
from core.model.parts import Part, Reasoning, Text, ToolCall

Event = dict[str, Any]


class SeedEventsWire(Wire):
    def frame(self, event: Event, at: tuple[int, int, int] | None = None) -> bytes:
        """`at` is where a client resumes that has seen the event: turn, attempt and position. None: where it was."""
        raise NotImplementedError

    def queued(self, position: int) -> Frames:
        return [self.frame({"type": "queued", "position": position})]

    def started(self, at: Cursor, model: str) -> Frames:
        return [self.frame({"type": "start", "turn": at.turn, "attempt": at.attempt, "model": model}, at)]

    def restarted(self, at: Cursor, reason: str, *, has_sent: bool) -> Frames:
        return [self.frame({"type": "restart", "attempt": at.attempt, "reason": reason}, at)]

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        frames = []
        turn, attempt, position = start
        for part in parts:
            position += len(part)
            event = {"chunk": part.text} if type(part) is Text else _event_of(part)
            if event is not None:
                frames.append(self.frame(event, (turn, attempt, position)))
        return frames

    def ended(self, at: Cursor, end: End) -> Frames:
        match end:
            case Done(finish_reason=reason, usage=usage):
                counts = usage and {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
                return [self.frame({"type": "done", "finish_reason": reason, "usage": counts}, at)]
            case Failed(code=code, message=message):
                return [self.frame({"type": "error", "code": code, "message": message}, at)]

    def broken(self, error: Exception) -> Frames:
        code, message = (
            (error.code, error.message) if isinstance(error, HopstreamError) else ("internal_error", "internal error")
        )
        return [self.frame({"type": "error", "code": code, "message": message})]


def _event_of(part: Part) -> Event | None:
    """None for a part that these events have no words for."""
    match part:
        case Reasoning(text):
            return {"reasoning": text}
        case ToolCall():
            return {"tool_call": {"id": part.id, "name": part.name, "arguments": part.arguments}}
        case _:
            return None
