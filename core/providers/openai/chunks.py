"""OpenAI's chat completion chunks, as any compatible server sends them, and the parts that they are."""

import json
from typing import Any

import msgspec

from core.model.events import Usage
from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.base import Finish
from core.providers.failures import ReportedError, Unreadable, message_of

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


class ChunkReader:
    """Turns the chunks of one answer into parts, and remembers what comes in pieces."""

    def __init__(self) -> None:
        self.is_done = False
        """Whether the service has said that nothing more comes."""
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._calls: dict[int, dict[str, str]] = {}
        self._call_chars = 0

    def read(self, events: list[bytes], parts: list[Part]) -> None:
        """Add to `parts` those of the events. Raises Unreadable, ReportedError."""
        for event in events:
            if self.is_done or event.startswith(DONE):
                self.is_done = True
                return
            try:
                chunk = _DECODER.decode(event)
            except msgspec.DecodeError:
                chunk = _decode_leniently(event)
            if chunk.error:
                raise ReportedError(message_of(chunk.error) or "an error in the middle of the answer")
            if chunk.usage is not None:
                self._usage = Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
            for choice in chunk.choices or ():
                self._finish_reason = choice.finish_reason or self._finish_reason
                delta = choice.delta
                if delta is None:
                    continue
                if thought := delta.reasoning_content or delta.reasoning:
                    parts.append(Reasoning(thought))
                if delta.content:
                    parts.append(Text(delta.content))
                if delta.tool_calls:
                    self._gather(delta.tool_calls)

    def end(self) -> tuple[list[Part], Finish] | None:
        """The tool calls, whole, and the finish; None where the service has not told one."""
        if self._finish_reason is None:
            return None
        calls: list[Part] = [ToolCall(c["id"], c["name"], c["arguments"]) for _, c in sorted(self._calls.items())]
        return calls, Finish(self._finish_reason, self._usage)

    def _gather(self, pieces: list[_ToolCall]) -> None:
        for piece in pieces:
            call = self._calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
            function = piece.function or _Function()
            call["id"] = piece.id or call["id"]
            call["name"] = function.name or call["name"]
            call["arguments"] += function.arguments or ""
            self._call_chars += len(piece.id or "") + len(function.name or "") + len(function.arguments or "")
        if len(self._calls) > MAX_TOOL_CALLS or self._call_chars > MAX_TOOL_CALL_CHARS:
            raise Unreadable("the tool calls do not end")


def _decode_leniently(event: bytes) -> _Chunk:
    """JSON can carry half a surrogate pair, which no UTF-8 can; such a half becomes U+FFFD. Raises Unreadable."""
    try:
        text = json.dumps(json.loads(event), ensure_ascii=False)
        return _DECODER.decode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError) as error:  # json's and msgspec's errors, and Unicode's, are ValueErrors
        raise Unreadable(str(error)) from error
