"""The wire of `/ws/chat`: what an agent says and does in a turn, as JSON objects; see docs/agents.md."""

from typing import Any

import msgspec

from api.streams.cursor import Cursor
from api.wires.base import Frames, Unfinished, Wire, WireContext
from api.wires.pieces import frame_pieces
from api.wires.seed import failure
from api.wires.words import Words, by, counts, told
from core.model.errors import Closing
from core.model.events import Done, End, Failed
from core.model.parts import Part, Reasoning, Refusal, StepBegun, StepEnded, Text, ToolCall, ToolResult

encode_frame = msgspec.json.Encoder().encode
RESTARTED = "restarted"
"""The code of an error in place of a restart, for who cannot take back what it was told."""


class AgentSocketWire(Wire):
    name = "agent_socket"
    media_type = "application/json"
    shows_restarts = True

    def __init__(self, context: WireContext) -> None:
        """`context.asked`: with `knows_restarts` false for a client that knows no event but the first ones."""
        super().__init__(context)
        self._place: Words = {"conversationId": context.key.session_id, "turn": context.key.turn}
        self._knows_restarts = bool(context.asked.get("knows_restarts", True))

    def queued(self, position: int) -> Frames:
        return [encode_frame({"type": "queued", **self._place, "position": position})]

    def started(self, at: Cursor, model: str, provider: str) -> Frames:
        return [self._frame({"type": "start", **by(model, provider), "attempt": at.attempt}, at)]

    def restarted(self, at: Cursor, model: str, provider: str, reason: str, *, has_sent: bool) -> Frames:
        if has_sent and not self._knows_restarts:
            message = f"the answer began again ({reason}): what came of it before is void"
            error = {"type": "error", "message": message, "code": RESTARTED, "retryable": False}
            raise Unfinished(message, [self._frame(error, at)])
        return [self._frame({"type": "restart", "reason": reason, **by(model, provider), "attempt": at.attempt}, at)]

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        frames = []
        turn, attempt, position = start
        for part in (piece for whole in parts for piece in frame_pieces(whole)):
            position += len(part)
            event = _event_of(part)
            if event is not None:
                frames.append(self._frame(event, Cursor(turn, attempt, position)))
        return frames

    def ended(self, at: Cursor, end: End) -> Frames:
        match end:
            case Done(finish_reason=reason, usage=usage):
                about = {"usage": usage and counts(usage), **by(end.model, end.provider)}
                return [self._frame({"type": "done", "finishReason": reason, **about}, at)]
            case Failed(code=code, message=message):
                return [self._frame({"type": "error", "message": message, "code": code, "retryable": False}, at)]

    def broken(self, error: Exception) -> Frames:
        """A process that closes says so once, for the whole connection."""
        if isinstance(error, Closing):
            return []
        return [encode_frame({**failure(error), **self._place, "retryable": True})]

    def _frame(self, event: Words, at: Cursor) -> bytes:
        return encode_frame({**event, **self._place, "id": f"{at.turn}.{at.attempt}.{at.position}"})


def _event_of(part: Part) -> Words | None:
    """None for a part that these events have no words for."""
    match part:
        case Text(text):
            return {"type": "token", "token": text}
        case Reasoning(text):
            return {"type": "reasoning", "text": text}
        case Refusal(text):
            return {"type": "refusal", "text": text}
        case StepBegun(number):
            return _step(number, "start")
        case StepEnded(number):
            return _step(number, "end")
        case ToolCall(id, name, arguments):
            return _tool(name, {"callId": id, "phase": "call", "arguments": _decoded(arguments)})
        case ToolResult(call_id, content):
            answer = {"callId": call_id, "phase": "result", "output": content, "isError": part.is_error}
            more = {"truncated": part.truncated, **told(seconds=part.seconds, inDoubt=part.in_doubt or None)}
            return _tool(part.name, {**answer, **more})
        case _:
            return None


def _step(number: int, status: str) -> Words:
    return {"type": "step", "step": number, "name": f"step {number}", "status": status}


def _tool(name: str, payload: Words) -> Words:
    return {"type": "tool", "name": name, "payload": payload}


def _decoded(arguments: str) -> Any:
    """As the model meant them; as it wrote them, where that is no JSON."""
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
