"""OpenAI's chat completion chunks, as any compatible server sends them, and the parts that they are."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from core.model.events import Usage
from core.model.parts import Part, Reasoning, Text, ToolCall

DONE = b"[DONE]"
MAX_TOOL_CALLS = 128
MAX_TOOL_CALL_CHARS = 1024 * 1024
"""Of all of an answer's tool calls together. They count as one character each of MAX_ANSWER_CHARS."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    """A piece of one."""

    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Chunk)


class BadChunk(Exception):
    """What came is no chunk."""


class ErrorChunk(Exception):
    """The service reports an error of its own in the middle of the stream; the message is its."""


class ChunkReader:
    """Turns chunks into parts, and remembers what comes in pieces."""

    def __init__(self) -> None:
        self.started = False
        self.is_done = False
        """Whether the service has said that nothing more comes."""
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self._calls: dict[int, dict[str, str]] = {}
        self._call_chars = 0

    def read_all(self, events: Iterable[bytes]) -> tuple[list[Part], BadChunk | ErrorChunk | None]:
        """The parts in the data of several events, up to the first that fails, and how it did."""
        parts: list[Part] = []
        try:
            for data in events:
                parts += self.read(data)
        except (BadChunk, ErrorChunk) as failure:
            return parts, failure
        return parts, None

    def read(self, data: bytes) -> list[Part]:
        """The parts in one event's data. Raises BadChunk, ErrorChunk."""
        if self.is_done or data.startswith(DONE):
            self.is_done = True
            return []
        chunk = _decode(data)
        if chunk.error:
            raise ErrorChunk(_message(chunk.error))
        parts: list[Part] = []
        for choice in chunk.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
            if choice.delta is not None:
                self._read_delta(choice.delta, parts)
        if chunk.usage is not None:
            self.usage = Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
        self.started = self.started or bool(parts)
        return parts

    def tool_calls(self) -> list[Part]:
        return [ToolCall(c["id"], c["name"], c["arguments"]) for _, c in sorted(self._calls.items())]

    def _read_delta(self, delta: _Delta, parts: list[Part]) -> None:
        if thought := delta.reasoning_content or delta.reasoning:
            parts.append(Reasoning(thought))
        if delta.content:
            parts.append(Text(delta.content))
        for call in delta.tool_calls or ():
            self._gather(call)

    def _gather(self, call: _ToolCall) -> None:
        known = self._calls.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
        function = call.function or _Function()
        known["id"] = call.id or known["id"]
        known["name"] = function.name or known["name"]
        known["arguments"] += function.arguments or ""
        self._call_chars += len(call.id or "") + len(function.name or "") + len(function.arguments or "")
        if len(self._calls) > MAX_TOOL_CALLS or self._call_chars > MAX_TOOL_CALL_CHARS:
            raise BadChunk("the tool calls do not end")


def _decode(data: bytes) -> _Chunk:
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise BadChunk(str(error)) from error
    except msgspec.DecodeError:
        return _decode_leniently(data)


def _decode_leniently(data: bytes) -> _Chunk:
    """JSON can carry half a surrogate pair, which no UTF-8 can; such a half becomes U+FFFD."""
    try:
        text = json.dumps(json.loads(data), ensure_ascii=False)
        return _DECODER.decode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError) as error:  # json's and msgspec's errors, and Unicode's, are ValueErrors
        raise BadChunk(str(error)) from error


def _message(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) and message else "an error in the middle of the answer"
