"""The lines of Ollama's own chat API, each a JSON object, and the parts that they are.

Source: `ChatResponse` of Ollama's api/types.go, and docs/api/errors.mdx for errors in mid-stream.
"""

from typing import Any

import msgspec

from core.model.parts import Part, Reasoning, Text
from core.providers.base import Finish, Told
from core.providers.http.answer import EventSplitter
from core.providers.http.body import LineSplitter
from core.providers.http.failures import ReportedError, WebPage
from core.providers.http.lenient_json import clean, decode
from core.providers.http.reader import PartReader, ServerEvent, model_of, tells_of_error, usage_of, whole_call
from core.providers.http.service_error import ServiceError

_REASONS = {"": "error", "load": "stop", "unload": "error"}
"""Without a reason the service has lost what ran the model."""


class _Message(msgspec.Struct):
    content: Any = None
    thinking: Any = None
    tool_calls: Any = None


class _Line(msgspec.Struct):
    message: _Message | None = None
    model: Any = None
    done: Any = None
    done_reason: Any = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Line)
_NOTHING = _Line()


def choose_splitter(begin: bytes) -> EventSplitter | None:
    """Raises WebPage."""
    match begin.lstrip()[:1]:
        case b"":
            return None
        case b"<":
            raise WebPage
        case _:
            return LineSplitter()


class LineReader(PartReader):
    def __init__(self) -> None:
        super().__init__()
        self._reason: str | None = None
        self._raw_reason: str | None = None
        self._has_calls = False

    @property
    def is_finished(self) -> bool:
        return self._reason not in (None, "error")

    def end(self) -> tuple[list[Part], Finish] | None:
        """Tool calls come before the last line, whose reason does not tell of them."""
        if self._reason is None:
            return None
        if self._reason == "error":
            raise ReportedError(ServiceError("the model's runner was lost", is_passing=True))
        reason = "tool_calls" if self._has_calls and self._reason == "stop" else self._reason
        return [], Finish(reason, self.told, self._raw_reason)

    def _read_event(self, event: ServerEvent, parts: list[Part]) -> None:
        line = decode(_DECODER, event.data)
        if line.error or (line == _NOTHING and tells_of_error(event.data)):
            raise ReportedError(ServiceError.of_body(event.data))
        if line.message is not None:
            self._read_message(line.message, parts)
        if line.model != self.told.model:
            self.told = Told(self.told.usage, model_of(line.model, self.told.model))
        if line.done is True:
            raw = clean(line.done_reason) if isinstance(line.done_reason, str) else None
            self._reason = "stop" if raw is None else _REASONS.get(raw, raw)
            self._raw_reason = raw
            usage = usage_of(line.prompt_eval_count, line.eval_count)  # a count of 0 is left out
            self.told = Told(usage or self.told.usage, self.told.model)
            self.is_done = True

    def _read_message(self, message: _Message, parts: list[Part]) -> None:
        if isinstance(message.thinking, str) and message.thinking:
            parts.append(Reasoning(clean(message.thinking)))
        if isinstance(message.content, str) and message.content:
            parts.append(Text(clean(message.content)))
        for call in message.tool_calls if isinstance(message.tool_calls, list) else []:
            match call:
                case {"function": {"name": str(name)} as function}:
                    self._add_whole(whole_call(call.get("id"), name, function.get("arguments")), parts)
                    self._has_calls = True
