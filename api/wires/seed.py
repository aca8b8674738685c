"""The seed wire, Hopstream's own and first: the events that README shows, as Server-Sent Events (WHATWG HTML 9.2).

A reader that knows only `chunk` and `done` works.
"""

from typing import Any

import msgspec

from api.streams.cursor import Cursor
from api.wires.base import Frames, Wire
from core.model.errors import Closing, HopstreamError
from core.model.events import Done, End, Failed, Usage
from core.model.parts import (
    Part,
    Reasoning,
    Refusal,
    StepBegun,
    StepEnded,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
)

Event = dict[str, Any]
RETRY_MS = 1000
_encode = msgspec.json.Encoder().encode


class SeedWire(Wire):
    """Another wire with the same events overrides `frame`, and what is SSE's alone: opening, broken and ping."""

    name = "seed"
    media_type = "text/event-stream"
    shows_restarts = True

    def frame(self, event: Event, at: tuple[int, int, int] | None = None) -> bytes:
        """`at` is where a client resumes that has seen the event: turn, attempt and position. None: where it was.

        JSON has no raw line breaks, so one data line is enough.
        """
        if at is None:
            return b"data: " + _encode(event) + b"\n\n"
        return b"id: %d.%d.%d\ndata: " % at + _encode(event) + b"\n\n"

    def opening(self) -> Frames:
        return [b"retry: %d\n\n" % RETRY_MS]

    def queued(self, position: int) -> Frames:
        return [self.frame({"type": "queued", "position": position})]

    def started(self, at: Cursor, model: str, provider: str) -> Frames:
        return [self.frame({"type": "start", "turn": at.turn, "attempt": at.attempt, **_by(model, provider)}, at)]

    def restarted(self, at: Cursor, model: str, provider: str, reason: str, *, has_sent: bool) -> Frames:
        event = {"type": "restart", "attempt": at.attempt, "reason": reason, **_by(model, provider)}
        return [self.frame(event, at)]

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
                event = {"type": "done", "finish_reason": reason, "usage": usage and _counts(usage)}
                more = {"model": end.model, "provider": end.provider, "raw_finish_reason": end.raw_finish_reason}
                return [self.frame({**event, **{name: told for name, told in more.items() if told}}, at)]
            case Failed(code=code, message=message):
                return [self.frame({"type": "error", "code": code, "message": message}, at)]

    def broken(self, error: Exception) -> Frames:
        """A process that closes says so in a comment: the client resumes elsewhere by itself."""
        if isinstance(error, Closing):
            return [b": closing\n\n"]
        return [self.frame(failure(error))]

    def ping(self) -> Frames:
        return [b": ping\n\n"]


def failure(error: Exception) -> Event:
    """What is told of a feed that broke down: of an error of ours its code and words, of a bug nothing."""
    code, message = (
        (error.code, error.message) if isinstance(error, HopstreamError) else ("internal_error", "internal error")
    )
    return {"type": "error", "code": code, "message": message}


def _by(model: str, provider: str) -> Event:
    """An older worker does not tell the provider."""
    return {"model": model, "provider": provider} if provider else {"model": model}


def _counts(usage: Usage) -> dict[str, int]:
    """Those that were told."""
    return {name: count for name, count in msgspec.structs.asdict(usage).items() if count is not None}


def _event_of(part: Part) -> Event | None:
    """None for a part that these events have no words for."""
    match part:
        case Reasoning(text):
            return {"reasoning": text}
        case Refusal(text):
            return {"refusal": text}
        case ToolCall():
            return {"tool_call": {"id": part.id, "name": part.name, "arguments": part.arguments}}
        case ToolCallBegun():
            return {"tool_call_begun": {"id": part.id, "name": part.name}}
        case ToolArguments():
            return {"tool_call_arguments": {"call": part.call, "text": part.text}}
        case ToolResult(call_id, content):
            about = {"id": call_id, "name": part.name, "result": content, "is_error": part.is_error}
            more = {"truncated": part.truncated, "seconds": part.seconds, "in_doubt": part.in_doubt}
            return {"tool_result": {**about, **{name: told for name, told in more.items() if told}}}
        case StepBegun(number):
            return {"step": {"number": number, "status": "start"}}
        case StepEnded(number):
            return {"step": {"number": number, "status": "end"}}
        case _:
            return None
