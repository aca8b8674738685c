"""OpenAI's chat completions, whole or in chunks, as any compatible server sends them, and the parts that they are.

Nothing that is an extra may cost the text beside it: the frame of a chunk is checked, and what stands in it is taken
for whatever it turns out to be.
"""

from typing import Any, Literal

import msgspec

from core.model.events import Usage
from core.model.parts import Part, Refusal, Text
from core.providers.base import Finish, Told
from core.providers.http.failures import ReportedError
from core.providers.http.lenient_json import clean, parse
from core.providers.http.reader import PartReader, ServerEvent, model_of, usage_of
from core.providers.http.service_error import ServiceError, is_error
from core.providers.openai.content import parts_of, reasoning_of
from core.providers.openai.tool_calls import ToolCalls

DONE = b"[DONE]"

_FINISH_REASONS = {
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
}
"""Of services that have another word for one of OpenAI's."""
_OWN_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
_FAILURES = frozenset({"error", "network_error", "abort", "insufficient_system_resource"})
"""Reasons to finish that are none."""
MAX_REASON_CHARS = 32


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    reasoning: None = None
    reasoning_content: None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class _PlainChoice(msgspec.Struct, forbid_unknown_fields=True):
    delta: _PlainDelta
    index: Literal[0] = 0
    finish_reason: None = None
    stop_reason: None = None
    logprobs: None = None
    token_ids: None = None


class _PlainChunk(msgspec.Struct):
    """A piece of a text and nothing else, as nearly all chunks are."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None


class _Said(msgspec.Struct):
    """A delta, or a message."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    index: Any = None
    delta: _Said | None = None
    message: _Said | None = None
    text: Any = None
    finish_reason: Any = None
    error: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    model: Any = None
    error: Any = None


_PLAIN = msgspec.json.Decoder(_PlainChunk)
_DECODER = msgspec.json.Decoder(_Chunk)


class ChunkReader(PartReader):
    def __init__(self) -> None:
        super().__init__()
        self._finish_reason: str | None = None
        self._raw_reason: str | None = None
        self._index: int | None = None
        """Of the choice that is read: a service that was not asked for more than one may send more."""
        self._calls = ToolCalls()
        self._has_parts = False
        self._is_refused = False

    @property
    def is_finished(self) -> bool:
        return self._finish_reason is not None and self._finish_reason not in _FAILURES

    def read(self, events: list[ServerEvent], parts: list[Part]) -> None:
        for event in events:
            if self.is_done:
                return
            try:
                text = _PLAIN.decode(event.data).choices[0].delta.content
            except (ValueError, RecursionError):
                super().read([event], parts)
                continue
            if event.is_error or self._index or "\0" in text:
                super().read([event], parts)
            elif text:
                parts.append(Text(text))
                self._has_parts = True
                self._index = 0

    def end(self) -> tuple[list[Part], Finish] | None:
        """None where the service has told neither the finish nor that it is done."""
        reason = self._finish_reason
        if reason is None:
            if not (self.is_done and self._has_parts):
                return None
            reason = "stop"
        if reason in _FAILURES:
            raise ReportedError(ServiceError(f"finish_reason {reason}", is_passing=True))
        if reason == "stop":
            reason = "tool_calls" if self._calls.have_begun else "content_filter" if self._is_refused else reason
        return [], Finish(reason, self.told, self._raw_reason)

    def _read_event(self, event: ServerEvent, parts: list[Part]) -> None:
        """Anything else."""
        data, is_error_event = event
        if data.strip().startswith(DONE):
            self.is_done = True
        elif is_error_event:
            raise ReportedError(ServiceError.of_body(data))
        else:
            for chunk in _chunks_of(data):
                self._read_chunk(chunk, parts)

    def _read_chunk(self, chunk: _Chunk, parts: list[Part]) -> None:
        """Raises ReportedError, Unreadable, ValueError."""
        if chunk.usage is not None:
            self.told = Told(_usage_of(chunk.usage) or self.told.usage, self.told.model)
        if chunk.model:
            self.told = Told(self.told.usage, model_of(chunk.model, self.told.model))
        for choice in chunk.choices or ():
            self._read_choice(choice, parts)
        if chunk.error:
            raise ReportedError(ServiceError.of({"error": chunk.error}))

    def _read_choice(self, choice: _Choice, parts: list[Part]) -> None:
        index = choice.index if type(choice.index) is int else 0
        if self._index is None:
            self._index = index
        elif index != self._index:
            return
        said = self._said_in(choice)
        before = len(parts)
        if thought := said.reasoning_content or said.reasoning or said.reasoning_details:
            parts += reasoning_of(thought)
        if content := said.content:
            if type(content) is str:  # nearly always
                parts.append(Text(clean(content)))
            else:
                parts += (listed := parts_of(content))
                self._is_refused = self._is_refused or any(isinstance(part, Refusal) for part in listed)
        if said.refusal and type(said.refusal) is str:
            parts.append(Refusal(clean(said.refusal)))
            self._is_refused = True
        if said.tool_calls:
            self._calls.add(said.tool_calls, parts)
        if said.function_call:
            self._calls.add({"function": said.function_call}, parts)
        self._has_parts = self._has_parts or len(parts) > before
        if choice.finish_reason:
            self._raw_reason = _raw_reason_of(choice.finish_reason)
            self._finish_reason = _reason_of(self._raw_reason)
        if choice.error:
            raise ReportedError(ServiceError.of(choice.error))

    def _said_in(self, choice: _Choice) -> _Said:
        """Some services send messages, or texts, where others have deltas; and some the whole message beside them."""
        delta, message = choice.delta, choice.message
        if message is not None and (delta is None or not (self._has_parts or delta.content or delta.tool_calls)):
            return message
        return delta if delta is not None else _Said(content=choice.text)


def _chunks_of(data: bytes) -> list[_Chunk]:
    """Of JSON; of several, in a list or each on a line of its own, where a service leaves out the empty lines between
    events. White space has none. Raises ReportedError, ValueError."""
    try:
        chunk = _DECODER.decode(data)
        if chunk.choices is not None or chunk.error:
            return [chunk]
    except (ValueError, RecursionError):
        pass
    try:
        value = parse(data)
    except ValueError:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) == 1:
            raise
        return [chunk for line in lines for chunk in _chunks_of(line)]
    if is_error(value):
        raise ReportedError(ServiceError.of(value))
    return msgspec.convert(value if isinstance(value, list) else [value], list[_Chunk])


def _raw_reason_of(told: Any) -> str | None:
    return clean(told[:MAX_REASON_CHARS]) if type(told) is str else None


def _reason_of(raw: str | None) -> str:
    """In OpenAI's words, however it is written; else as it was told."""
    if raw is None:
        return "stop"
    lower = raw.lower()
    return _FINISH_REASONS.get(lower, lower if lower in _FAILURES or lower in _OWN_REASONS else raw)


def _usage_of(told: Any) -> Usage | None:
    """None where a count is no count."""
    if not isinstance(told, dict):
        return None
    read, written = _details(told, "prompt", "input"), _details(told, "completion", "output")
    return usage_of(
        told.get("prompt_tokens", told.get("input_tokens")),
        told.get("completion_tokens", told.get("output_tokens")),
        cached=read.get("cached_tokens", told.get("prompt_cache_hit_tokens")),
        reasoning=written.get("reasoning_tokens"),
    )


def _details(usage: dict[str, Any], *names: str) -> dict[str, Any]:
    told = (usage.get(f"{name}_tokens_details") for name in names)
    return next((details for details in told if isinstance(details, dict)), {})
