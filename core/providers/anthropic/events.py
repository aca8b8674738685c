"""The events of Anthropic's messages, or a message that comes whole, and the parts that they are.

Source: the event types of the messages API (platform.claude.com, "Streaming messages"). Events and blocks of kinds that
are not known are passed over, as its versioning policy asks for.
"""

from typing import Any

import msgspec

from core.model.parts import Opaque, Part, Reasoning, Refusal, Text, ToolArguments, ToolCallBegun
from core.providers.base import Finish, Told
from core.providers.http.failures import ReportedError
from core.providers.http.lenient_json import clean, decode, parse
from core.providers.http.reader import PartReader, ServerEvent, count_of, model_of, tells_of_error, usage_of
from core.providers.http.service_error import ServiceError

SIGNATURE = "anthropic.signature"
"""Of the thought before it."""
REDACTED = "anthropic.redacted"
"""A thought that is encrypted as a whole."""

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Delta(msgspec.Struct):
    type: Any = None
    text: Any = None
    thinking: Any = None
    signature: Any = None
    partial_json: Any = None
    stop_reason: Any = None
    stop_details: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    index: Any = None
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: Any = None
    error: Any = None


class _Call(msgspec.Struct):
    number: int
    """Among those of the answer."""
    given: Any
    has_pieces: bool = False


_DECODER = msgspec.json.Decoder(_Event)
_NOTHING = _Event()


class EventReader(PartReader):
    def __init__(self) -> None:
        super().__init__()
        self._stop_reason: str | None = None
        self._usage: dict[str, Any] = {}
        self._calls: dict[int, _Call] = {}
        """Those that are open, by the index of their block."""
        self._begun_calls = 0

    @property
    def is_finished(self) -> bool:
        return self._stop_reason is not None

    def end(self) -> tuple[list[Part], Finish] | None:
        if self._stop_reason is None:
            return None
        reason = _FINISH_REASONS.get(self._stop_reason, self._stop_reason)
        return self._close_calls(), Finish(reason, self.told, self._stop_reason)

    def _read_event(self, event: ServerEvent, parts: list[Part]) -> None:
        data, is_error_event = event
        read = decode(_DECODER, data)
        if is_error_event or read.error or read.type == "error" or (read == _NOTHING and tells_of_error(data)):
            raise ReportedError(ServiceError.of_body(data))
        index = read.index if isinstance(read.index, int) else 0
        match read.type:
            case "content_block_delta" if read.delta is not None:
                self._grow(index, read.delta, parts)
            case "content_block_start" if read.content_block is not None:
                self._begin_block(index, read.content_block, parts)
            case "content_block_stop":
                parts += self._close_calls(index)
            case "message_start" if read.message is not None:
                self._tell(read.message)
            case "message_delta":
                self._count(read.usage)
                if read.delta is not None:
                    self._stop(read.delta.stop_reason, read.delta.stop_details, parts)
            case "message_stop":
                self.is_done = True
            case "message":
                self._read_message(msgspec.convert(parse(data), dict[str, Any]), parts)

    def _read_message(self, message: dict[str, Any], parts: list[Part]) -> None:
        """One that comes whole, though a stream was asked for."""
        self._tell(message)
        blocks = message.get("content")
        for index, block in enumerate(blocks if isinstance(blocks, list) else []):
            if isinstance(block, dict):
                self._begin_block(index, block, parts)
                parts += self._close_calls(index)
        self._stop(message.get("stop_reason"), message.get("stop_details"), parts)
        self.is_done = True

    def _begin_block(self, index: int, block: dict[str, Any], parts: list[Part]) -> None:
        match block:
            case {"type": "text", "text": str(text)} if text:
                parts.append(Text(clean(text)))
            case {"type": "thinking"}:
                thought, signature = block.get("thinking"), block.get("signature")
                if isinstance(thought, str) and thought:
                    parts.append(Reasoning(clean(thought)))
                if isinstance(signature, str) and signature:
                    self._add_whole(Opaque(SIGNATURE, clean(signature)), parts)
            case {"type": "redacted_thinking", "data": str(data)}:
                self._add_whole(Opaque(REDACTED, clean(data)), parts)
            case {"type": "tool_use", "id": str(call_id), "name": str(name)}:
                self._add_whole(ToolCallBegun(clean(call_id), clean(name)), parts)
                self._calls[index] = _Call(self._begun_calls, block.get("input"))
                self._begun_calls += 1

    def _grow(self, index: int, delta: _Delta, parts: list[Part]) -> None:
        match delta:
            case _Delta(type="text_delta", text=str(text)):
                if text:
                    parts.append(Text(clean(text)))
            case _Delta(type="thinking_delta", thinking=str(thought)):
                if thought:
                    parts.append(Reasoning(clean(thought)))
            case _Delta(type="signature_delta", signature=str(signature)):
                if signature:
                    self._add_whole(Opaque(SIGNATURE, clean(signature)), parts)
            case _Delta(type="input_json_delta", partial_json=str(piece)):
                self._add_arguments(index, clean(piece), parts)

    def _add_arguments(self, index: int, piece: str, parts: list[Part]) -> None:
        if piece and index in self._calls:
            self._calls[index].has_pieces = True
            parts.append(ToolArguments(piece, self._calls[index].number))

    def _close_calls(self, *indexes: int) -> list[Part]:
        """Those of these blocks, or all. One whose arguments did not come in pieces has those of its beginning."""
        calls = [self._calls.pop(index) for index in (indexes or (*self._calls,)) if index in self._calls]
        return [
            ToolArguments(clean(msgspec.json.encode(call.given or {}).decode()), call.number)
            for call in calls
            if not call.has_pieces
        ]

    def _tell(self, message: dict[str, Any]) -> None:
        self.told = Told(self.told.usage, model_of(message.get("model"), self.told.model))
        self._count(message.get("usage"))

    def _count(self, usage: Any) -> None:
        """Each count is that of all so far; one that is not told again stays as it was."""
        if not isinstance(usage, dict):
            return
        details = usage.get("output_tokens_details")
        counts = {**usage, **(details if isinstance(details, dict) else {})}
        self._usage |= {name: count for name, count in counts.items() if count_of(count) is not None}
        read = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        read_counts = [self._usage[name] for name in read if name in self._usage]
        told = usage_of(
            sum(read_counts) if read_counts else None,
            self._usage.get("output_tokens"),
            cached=self._usage.get("cache_read_input_tokens"),
            reasoning=self._usage.get("thinking_tokens"),
        )
        self.told = Told(told or self.told.usage, self.told.model)

    def _stop(self, reason: Any, details: Any, parts: list[Part]) -> None:
        if not isinstance(reason, str) or not reason:
            return
        self._stop_reason = clean(reason)
        if isinstance(details, dict) and reason == "refusal":
            explanation = details.get("explanation")
            if isinstance(explanation, str) and explanation:
                parts.append(Refusal(clean(explanation)))
