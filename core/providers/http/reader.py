"""What the readers of all services share: one answer's events become parts, and what cannot be read is passed over."""

from abc import ABC, abstractmethod
from typing import NamedTuple
from uuid import uuid4

import msgspec
import structlog

from core.model.events import Usage
from core.model.parts import Opaque, Part, ToolCall, ToolCallBegun
from core.providers.base import Finish, Told
from core.providers.http.failures import Unreadable
from core.providers.http.lenient_json import clean, parse
from core.providers.http.service_error import is_error

log = structlog.get_logger()

MAX_UNREADABLE_EVENTS = 10
"""In one answer, that are passed over."""
MAX_WHOLE_PARTS = 1000
MAX_WHOLE_CHARS = 1024 * 1024
"""Of one answer's parts that count 1 on the tape: MAX_ANSWER_CHARS does not bound them, so these two do."""
MAX_COUNT = 2**31 - 1
"""Of tokens. What is beyond it counts nothing that there is."""


class ServerEvent(NamedTuple):
    """`data` as it came: whoever reads it decodes it, as UTF-8 in which what is none is replaced."""

    data: bytes
    is_error: bool = False


class PartReader(ABC):
    """Of one answer. A service's own reader knows its events, and remembers what comes in pieces."""

    def __init__(self) -> None:
        self.is_done = False
        """Whether the service has said that nothing more comes."""
        self.told = Told()
        """What the service has told about the answer so far."""
        self._unreadable = 0
        self._whole_parts = 0
        self._whole_chars = 0

    @property
    @abstractmethod
    def is_finished(self) -> bool:
        """Whether the service has said how the answer finished; something about it may follow."""

    def read(self, events: list[ServerEvent], parts: list[Part]) -> None:
        """Add to `parts` those of the events. Raises ServiceFailure."""
        for event in events:
            if self.is_done:
                return
            try:
                self._read_event(event, parts)
            except ValueError as error:  # json's, msgspec's and our own
                self._pass_over(error)

    @abstractmethod
    def end(self) -> tuple[list[Part], Finish] | None:
        """What can be told at the end alone; None where the service has not finished the answer.

        Raises ServiceFailure where it finished by an error.
        """

    @abstractmethod
    def _read_event(self, event: ServerEvent, parts: list[Part]) -> None:
        """Raises ServiceFailure, and ValueError for one that cannot be read."""

    def _add_whole(self, part: ToolCall | ToolCallBegun | Opaque, parts: list[Part]) -> None:
        """A part that counts 1 on the tape. Raises Unreadable where there are too many."""
        self._whole_parts += 1
        self._whole_chars += sum(len(text) for text in msgspec.structs.astuple(part))
        if self._whole_parts > MAX_WHOLE_PARTS or self._whole_chars > MAX_WHOLE_CHARS:
            raise Unreadable("the tool calls do not end")
        parts.append(part)

    def _pass_over(self, error: ValueError) -> None:
        """Raises Unreadable."""
        self._unreadable += 1
        log.warning("event passed over", action="provider.unreadable_event", count=self._unreadable)
        if self._unreadable > MAX_UNREADABLE_EVENTS:
            raise Unreadable("too many events are not readable") from error


def tells_of_error(data: bytes) -> bool:
    """Whether an event that says nothing of an answer tells of an error, in a shape that is not the service's own."""
    return is_error(parse(data))


def count_of(told: object) -> int | None:
    """A number of tokens; None where it is no number that there can be."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    return int(told) if 0 <= told <= MAX_COUNT else None


def usage_of(
    input_tokens: object, output_tokens: object, *, cached: object = None, reasoning: object = None
) -> Usage | None:
    """None where neither of the first two is told, or one is no count; one that is left out is 0. The others may be
    anything."""
    if input_tokens is None and output_tokens is None:
        return None
    read, written = (count_of(0 if count is None else count) for count in (input_tokens, output_tokens))
    if read is None or written is None:
        return None
    return Usage(read, written, count_of(cached), count_of(reasoning))


def model_of(told: object, before: str | None) -> str | None:
    """The model's name as the service tells it; `before`: as it told it before. Of a path, as llama.cpp tells, the last
    part: where a file lies is nobody's business."""
    if not isinstance(told, str) or not told:
        return before
    return clean(told.rpartition("/")[2] if told.startswith("/") else told)


def whole_call(call_id: object, name: str, arguments: object) -> ToolCall:
    """A call of which the service gives the arguments as an object. One without an id is given one, because its result
    has to name it."""
    own_id = clean(call_id) if isinstance(call_id, str) and call_id else f"call_{uuid4().hex}"
    return ToolCall(own_id, clean(name), clean(msgspec.json.encode(arguments or {}).decode()))
