"""The events of OpenAI's responses, and the parts that they are.

Source: the types `Response…Event` of the SDK; "Background mode" and "Streaming" of OpenAI's guides.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from core.model.parts import Part, Reasoning, Refusal, Text, ToolArguments, ToolCallBegun, cut
from core.providers.base import Finish, Kept, Told
from core.providers.http.failures import ReportedError
from core.providers.http.lenient_json import clean, decode, parse
from core.providers.http.reader import PartReader, ServerEvent, model_of, tells_of_error, usage_of
from core.providers.http.service_error import ServiceError

RUNNING = frozenset({"queued", "in_progress"})
"""Statuses of a response that is not finished."""
_REASONS = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "content_filter"}
_DELTAS: dict[str, Callable[[str], Part]] = {
    "response.output_text.delta": Text,
    "response.refusal.delta": Refusal,
    "response.reasoning_summary_text.delta": Reasoning,
    "response.reasoning_text.delta": Reasoning,
    "response.reasoning.delta": Reasoning,
}


class _Event(msgspec.Struct):
    type: Any = None
    sequence_number: Any = None
    output_index: Any = None
    delta: Any = None
    item: Any = None
    response: Any = None
    error: Any = None
    object: Any = None


_DECODER = msgspec.json.Decoder(_Event)
_NOTHING = _Event()


class EventReader(PartReader):
    """Of one response: from `kept` on, where it is fetched again."""

    def __init__(self, kept: Kept | None, on_kept: Callable[[Kept], None] | None) -> None:
        super().__init__()
        self._kept = kept
        self._on_kept = on_kept
        self._id = kept.id if kept is not None else None
        self._length = kept.position if kept is not None else 0
        """Of all parts so far, those before `kept` among them."""
        self._sequence_number = kept.sequence_number if kept is not None else 0
        self.told = Told(kept=kept)
        self._begun: set[int] = set()
        """Items whose beginning was read."""
        self._calls: dict[int, int] = {}
        """Numbers of the calls, by the index of their item."""
        self._grown: set[int] = set()
        """Items of which something came in pieces."""
        self._finish: Finish | None = None
        self._is_refused = False

    @property
    def is_finished(self) -> bool:
        return self._finish is not None

    def read(self, events: list[ServerEvent], parts: list[Part]) -> None:
        before = len(parts)
        super().read(events, parts)
        self._length += sum(map(len, parts[before:]))
        # Once a call of a tool has begun, the place to go on from stays before it: whoever goes on would not know which
        # call the rest is of.
        if self._id is not None and not self._calls:
            self._tell(kept=Kept(self._id, self._sequence_number, self._length))

    def end(self) -> tuple[list[Part], Finish] | None:
        return None if self._finish is None else ([], msgspec.structs.replace(self._finish, told=self.told))

    def _read_event(self, event: ServerEvent, parts: list[Part]) -> None:
        data, is_error_event = event
        if data.strip() == b"[DONE]":
            self.is_done = True
            return
        read = decode(_DECODER, data)
        index = read.output_index if isinstance(read.output_index, int) else 0
        if isinstance(read.sequence_number, int):
            self._sequence_number = read.sequence_number
        if is_error_event or read.type == "error" or (read == _NOTHING and tells_of_error(data)):
            raise ReportedError(ServiceError.of_body(data))
        if read.object == "response":
            self._read_whole(parse(data), parts)
        elif isinstance(read.delta, str) and read.type in _DELTAS:
            self._add(_DELTAS[read.type](clean(read.delta)), index, parts)
        elif isinstance(read.delta, str) and read.type == "response.function_call_arguments.delta":
            self._add_arguments(index, clean(read.delta), parts)
        elif read.type in ("response.output_item.added", "response.output_item.done") and isinstance(read.item, dict):
            self._read_item(index, read.item, parts, is_done=read.type.endswith("done"))
        elif isinstance(read.response, dict):
            self._read_response(read.response)
        elif read.error:
            raise ReportedError(ServiceError.of_body(data))

    def _add(self, part: Part, index: int, parts: list[Part]) -> None:
        if len(part):
            parts.append(part)
            self._grown.add(index)
            self._is_refused = self._is_refused or isinstance(part, Refusal)

    def _add_arguments(self, index: int, piece: str, parts: list[Part]) -> None:
        if piece and index in self._calls:
            self._add(ToolArguments(piece, self._calls[index]), index, parts)

    def _read_item(self, index: int, item: dict[str, Any], parts: list[Part], *, is_done: bool) -> None:
        """Of one that is done: what has not come in pieces; of one whose beginning lies before what is fetched, all has
        come."""
        is_fetched = bool(self._kept and self._kept.sequence_number)
        if is_done and is_fetched and index not in self._begun:
            return
        self._begun.add(index)
        self._read_whole_item(index, item, parts, is_done=is_done)

    def _read_whole_item(self, index: int, item: dict[str, Any], parts: list[Part], *, is_done: bool) -> None:
        if item.get("type") == "function_call" and index not in self._calls:
            call_id, name = item.get("call_id") or item.get("id"), item.get("name")
            if isinstance(call_id, str) and isinstance(name, str):
                self._add_whole(ToolCallBegun(clean(call_id), clean(name)), parts)
                self._calls[index] = len(self._calls)
        if not is_done or index in self._grown:
            return
        if item.get("type") == "function_call" and isinstance(item.get("arguments"), str):
            self._add_arguments(index, clean(item["arguments"]), parts)
        for content in [*_listed(item.get("summary")), *_listed(item.get("content"))]:
            match content:
                case {"type": "output_text", "text": str(text)}:
                    self._add(Text(clean(text)), index, parts)
                case {"type": "refusal", "refusal": str(text)}:
                    self._add(Refusal(clean(text)), index, parts)
                case {"type": "summary_text" | "reasoning_text", "text": str(text)}:
                    self._add(Reasoning(clean(text)), index, parts)

    def _read_whole(self, response: dict[str, Any], parts: list[Part]) -> None:
        """A response that comes as a document: all of it, from its beginning."""
        said: list[Part] = []
        for index, item in enumerate(_listed(response.get("output"))):
            if isinstance(item, dict):
                self._read_whole_item(index, item, said, is_done=True)
        parts += _after(said, self._kept.position if self._kept is not None else 0)
        self._read_response(response)

    def _read_response(self, response: dict[str, Any]) -> None:
        if isinstance(response.get("id"), str) and self._id is None:
            self._id = clean(response["id"])
            if self._on_kept is not None:
                self._on_kept(Kept(self._id))
        usage = response.get("usage")
        if isinstance(usage, dict):
            read, written = usage.get("input_tokens_details"), usage.get("output_tokens_details")
            told = usage_of(
                usage.get("input_tokens"),
                usage.get("output_tokens"),
                cached=read.get("cached_tokens") if isinstance(read, dict) else None,
                reasoning=written.get("reasoning_tokens") if isinstance(written, dict) else None,
            )
            self.told = msgspec.structs.replace(self.told, usage=told or self.told.usage)
        self.told = msgspec.structs.replace(self.told, model=model_of(response.get("model"), self.told.model))
        self._read_status(response)

    def _read_status(self, response: dict[str, Any]) -> None:
        details = response.get("incomplete_details")
        match response.get("status"):
            case "completed":
                reason = "tool_calls" if self._calls else "content_filter" if self._is_refused else "stop"
                self._finish = Finish(reason, raw="completed")
            case "incomplete":
                raw = details.get("reason") if isinstance(details, dict) else None
                told = clean(raw) if isinstance(raw, str) else "incomplete"
                self._finish = Finish(_REASONS.get(told, told), raw=told)
            case "failed":
                raise ReportedError(ServiceError.of({"error": response.get("error") or "the response failed"}))
            case "cancelled":
                raise ReportedError(ServiceError("the response was cancelled"))
            case _:
                return
        self.is_done = True

    def _tell(self, *, kept: Kept) -> None:
        self.told = Told(self.told.usage, self.told.model, kept)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _after(parts: list[Part], position: int) -> list[Part]:
    rest = []
    for part in parts:
        if position < len(part):
            rest.append(cut(part, max(position, 0), len(part)))
        position -= len(part)
    return rest
