"""A scripted answer in the words of OpenAI's chat completions API, as stream events or as one body."""

import itertools
import time
import uuid
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any

import msgspec

from bench.script import Script
from bench.tokens import awkward, token

_TOOL_ARGUMENTS = ('{"query"', ': "tea', ' in Żywiec", ', '"limit": 3}')
_CHARS_PER_TOKEN = 4  # the usual rule of thumb, for prompt_tokens
_encode = msgspec.json.encode


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Question(msgspec.Struct):
    """The parts of a chat completions request that the mock understands."""

    model: str
    messages: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tools: list[dict[str, Any]] = []


class Answer:
    def __init__(self, script: Script, question: Question) -> None:
        self.script = script
        self.question = question
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._begun = _begun(question) if script.continues else ""
        self._step = _steps_done(question) if script.steps else 0
        self._tools = 0 if script.steps and self._step >= script.steps else script.tools
        planned = script.reasoning + script.tokens + self._tools * (1 + len(_TOOL_ARGUMENTS))
        if self._begun:
            planned = sum(1 for _ in self._planned())
        limit = question.max_completion_tokens or question.max_tokens or planned
        self.tokens = min(planned, limit)
        """How many tokens it has: deltas of reasoning, text and tool calls."""
        self._finish_reason = "length" if limit < planned else "tool_calls" if self._tools else "stop"

    def opening(self) -> bytes:
        return self._event({"role": "assistant", "content": "", "refusal": None})

    def events(self) -> Iterator[bytes]:
        """One event per token. A stamped token is made, and so stamped, when it is asked for."""
        head, tail = self._frame
        for delta in self._deltas():
            yield head + _encode(delta) + tail

    def closing(self) -> bytes:
        """The finish reason, the usage if it was asked for, and the end of the stream."""
        events = self._event({}, self._finish_reason)
        if self._include_usage:
            events += (
                b"data: "
                + _encode(self._envelope("chat.completion.chunk") | {"choices": [], "usage": self._usage})
                + b"\n\n"
            )
        return events + b"data: [DONE]\n\n"

    def body(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        for delta in self._deltas():
            for key in delta.keys() & {"content", "reasoning_content"}:
                message[key] = (message.get(key) or "") + delta[key]
            for call in delta.get("tool_calls", ()):
                _add_tool_call(message.setdefault("tool_calls", []), call)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason}
        return _encode(self._envelope("chat.completion") | {"choices": [choice], "usage": self._usage})

    def _deltas(self) -> Iterator[dict[str, Any]]:
        return itertools.islice(self._planned(), self.tokens)

    def _planned(self) -> Iterator[dict[str, Any]]:
        return _rest(_deltas(self.script, self._tools, self.question.tools, self._step), self._begun)

    @cached_property
    def _frame(self) -> tuple[bytes, bytes]:
        """What stands before and behind a delta: made once, since it is the same for every token."""
        head, tail = self._event({"content": 0}).split(b'{"content":0}')
        return head, tail

    def _event(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = self._envelope("chat.completion.chunk") | {"choices": [choice]}
        if self._include_usage:
            chunk["usage"] = None
        return b"data: " + _encode(chunk) + b"\n\n"

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self.question.model}

    @property
    def _include_usage(self) -> bool:
        return self.question.stream_options is not None and self.question.stream_options.include_usage

    @property
    def _usage(self) -> dict[str, Any]:
        prompt = max(
            sum(len(str(message.get("content", ""))) for message in self.question.messages) // _CHARS_PER_TOKEN,
            1,
        )
        return {
            "prompt_tokens": prompt,
            "completion_tokens": self.tokens,
            "total_tokens": prompt + self.tokens,
            "completion_tokens_details": {"reasoning_tokens": min(self.script.reasoning, self.tokens)},
        }


def _deltas(script: Script, calls: int, tools: list[dict[str, Any]], step: int) -> Iterator[dict[str, Any]]:
    for index in range(script.reasoning):
        yield {"reasoning_content": f"r{index:06d} "}
    for index in range(step * script.tokens, (step + 1) * script.tokens):
        text = token(script.text, index)
        yield {"content": text + awkward(index) if script.unicode else text}
    names = [tool.get("function", {}).get("name", "") for tool in tools] or ["lookup"]
    for index in range(calls):
        function = {"name": names[index % len(names)], "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": f"call_{index:04d}", "type": "function", "function": function}]}
        for fragment in _TOOL_ARGUMENTS:
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _steps_done(question: Question) -> int:
    """How many answers of the turn have called tools."""
    messages = question.messages
    asked_at = max((at for at, message in enumerate(messages) if message.get("role") == "user"), default=-1)
    return sum(bool(message.get("tool_calls")) for message in messages[asked_at + 1 :])


def _begun(question: Question) -> str:
    """The text that the answer goes on with."""
    last = question.messages[-1]
    return str(last.get("content") or "") if last.get("role") == "assistant" else ""


def _rest(deltas: Iterator[dict[str, Any]], begun: str) -> Iterator[dict[str, Any]]:
    """What comes after so much text; the thoughts before it come no more."""
    skip = len(begun)
    for delta in deltas:
        text = delta.get("content")
        if skip and text is not None:
            text, skip = text[skip:], max(skip - len(text), 0)
            if text:
                yield {"content": text}
        elif not (begun and "reasoning_content" in delta):
            yield delta


def _add_tool_call(calls: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    if "id" in delta:
        calls.append({"id": delta["id"], "type": delta["type"], "function": dict(delta["function"])})
    else:
        calls[-1]["function"]["arguments"] += delta["function"]["arguments"]
