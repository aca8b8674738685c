"""The wire of watchers: `llm.stream.*` events, as `docs/events.schema.json` has them.

Many turns go over one connection, so a frame names its turn, and what belongs to the connection is not told here.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from time import time
from typing import NamedTuple

import msgspec

from api.streams.cursor import Cursor
from api.wires.base import Frames, Wire, WireContext
from api.wires.pieces import frame_pieces
from api.wires.seed import failure
from api.wires.words import Words, by, counts, told
from core.model.errors import Closing
from core.model.events import Done, End, Failed
from core.model.keys import TurnKey
from core.model.parts import Part, Reasoning, Refusal, Text, ToolArguments, ToolCall, ToolCallBegun, ToolResult, merge

FrameEvent = Callable[[TurnKey, str, bytes, Cursor | None], bytes]
"""Makes a frame of a turn's event: its name, its data as JSON, and where the stream goes on behind it, None: where it
was."""
END, ERROR = "llm.stream.end", "llm.stream.error"
ENDS = (END, ERROR)
"""Exactly one of them comes of every stream."""
FALLBACK = "fallback"
"""Why a stream begins anew where another model answers than was told before."""

_FINISH_REASONS = {"stop": "stop", "tool_calls": "stop", "length": "length"}
"""What `finishReason` says of an answer that ended by these reasons; of any other it says `error`."""
_TEXTS: dict[type, str] = {Text: "chunk", Reasoning: "reasoning", Refusal: "refusal"}
_encode = msgspec.json.Encoder().encode


class StreamEventsWire(Wire):
    """For one turn on one connection."""

    name = "stream_events"
    media_type = "application/json"
    shares_frames = False
    takes_pieces = True
    shows_restarts = True

    def __init__(self, context: WireContext, frame: FrameEvent, *, has_started: bool = False) -> None:
        """`has_started`: whether its reader was told of the stream before, elsewhere."""
        super().__init__(context)
        self._frame = frame
        labels = context.labels
        self._about = told(requestId=str(context.key), goalId=labels.goal_id)
        self._labels = told(workItemId=labels.work_item_id, runId=labels.run_id, metadata=labels.metadata)
        self._chunks = 0
        """How many were told."""
        self._has_started = has_started
        self._at = Cursor(context.key.turn, 0, 0)
        self.passes_over = False
        """Whether what grows is passed over, because the client is too slow for it."""
        self.missed = 0
        """How many pieces were."""

    def queued(self, position: int) -> Frames:
        context = self.context
        about = {**self._labels, "model": context.model, "mode": context.mode, "queuePosition": position}
        return [self._event("llm.stream.queued", {**about, "queuedAt": _ms(context.created_at)})]

    def started(self, at: Cursor, model: str, provider: str) -> Frames:
        if self._has_started:
            return self.restarted(at, model, provider, FALLBACK, has_sent=True)
        self._has_started = True
        context = self.context
        times = told(queuedAt=_ms(context.created_at), startedAt=context.started_at and _ms(context.started_at))
        about = {**self._labels, **by(model, provider), "mode": context.mode, **times}
        return [self._event("llm.stream.start", about, at)]

    def restarted(self, at: Cursor, model: str, provider: str, reason: str, *, has_sent: bool) -> Frames:
        self._has_started = True
        return [self._event("llm.stream.restart", {"reason": reason, **by(model, provider)}, at)]

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        if self.passes_over:
            self.missed += len(parts)
            return []
        frames = []
        at = start
        for part, tokens in _runs(parts):
            end = Cursor(at.turn, at.attempt, at.position + len(part))
            name = _TEXTS.get(type(part))
            if name is not None:
                chunk = {"chunk": "", name: part.text, "index": self._chunks, "tokens": tokens}  # type: ignore[union-attr]
                self._chunks += 1
                frames.append(self._event("llm.stream.chunk", chunk, end, at.position))
            elif (tool := _tool(part)) is not None:
                frames.append(self._event("llm.stream.tool", tool, end, at.position))
            at = end
        return frames

    def ended(self, at: Cursor, end: End) -> Frames:
        match end:
            case Done(finish_reason=reason, usage=usage):
                about = {
                    "totalChunks": self._chunks,
                    "tokensUsed": usage.input_tokens + usage.output_tokens if usage else 0,
                    "finishReason": _FINISH_REASONS.get(reason, "error"),
                    "reason": reason,
                    **told(usage=usage and counts(usage), model=end.model, provider=end.provider),
                }
                return [self._event(END, about, at, end.position)]
            case Failed(code=code, message=message):
                return [self._failure(code, message, at, end.position)]

    def broken(self, error: Exception) -> Frames:
        """A process that closes says so once, for all streams of the connection."""
        if isinstance(error, Closing):
            return []
        failed = failure(error)
        return [self._failure(failed["code"], failed["message"], self._at, self._at.position)]

    def _failure(self, code: str, message: str, at: Cursor, position: int) -> bytes:
        about = {"error": message, "code": code, "totalChunks": self._chunks}
        return self._event(ERROR, about, at, position)

    def _event(self, name: str, about: Words, at: Cursor | None = None, position: int | None = None) -> bytes:
        """`position`: where it begins, if that is not where it ends."""
        data = {**self._about, **about, "timestamp": _ms(time())}
        if at is not None:
            self._at = at
            data["attempt"], data["id"] = at.attempt, str(at)
            data["position"] = at.position if position is None else position
        return self._frame(self.context.key, name, _encode(data), at)


class _Run(NamedTuple):
    part: Part
    pieces: int
    """In how many it came from the model."""


def _runs(parts: Iterable[Part]) -> Iterator[_Run]:
    """Neighbours of one kind of text as one, unless that is long."""
    for kind, group in groupby(parts, _kind):
        pieces = [*group]
        if kind is None:
            yield from (_Run(part, 1) for part in pieces)
            continue
        (whole,) = merge(pieces)
        first, *rest = frame_pieces(whole)
        yield _Run(first, len(pieces))
        yield from (_Run(part, 0) for part in rest)


def _kind(part: Part) -> tuple[type, int] | None:
    """The same for parts that are one text; None for a part that stands alone."""
    if type(part) in _TEXTS:
        return type(part), 0
    return (ToolArguments, part.call) if isinstance(part, ToolArguments) else None


def _tool(part: Part) -> Words | None:
    """None for a part that is of no tool."""
    match part:
        case ToolCall(id, name, arguments):
            return {"phase": "call", "callId": id, "name": name, "arguments": arguments}
        case ToolCallBegun(id, name):
            return {"phase": "begun", "callId": id, "name": name}
        case ToolArguments(text, call):
            return {"phase": "arguments", "call": call, "arguments": text}
        case ToolResult(call_id, content, is_error):
            about = {"phase": "result", "callId": call_id, "result": content, "isError": is_error}
            more = told(name=part.name, seconds=part.seconds, truncated=part.truncated or None)
            return {**about, **more, **told(inDoubt=part.in_doubt or None)}
        case _:
            return None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
