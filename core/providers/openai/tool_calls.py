"""Tool calls that come in pieces, told apart.

OpenAI tells the calls of an answer apart by an index. Others have none, or the same one for all, so that the ids and
names have to tell; and some repeat a call's id or name in each of its pieces, or make a new id for each.
"""

import json
from typing import Any
from uuid import uuid4

import msgspec

from core.model.parts import Part, ToolArguments, ToolCallBegun
from core.providers.http.failures import Unreadable
from core.providers.http.lenient_json import clean

MAX_TOOL_CALLS = 128
MAX_TOOL_CALL_CHARS = 1024 * 1024
"""Of all of an answer's tool calls together."""


class _Call(msgspec.Struct):
    index: Any
    id: str = ""
    name: str = ""
    arguments: str = ""
    number: int | None = None
    """Among those that have begun on the tape, once it has a name."""

    @property
    def is_whole(self) -> bool:
        try:
            json.loads(self.arguments)
        except (ValueError, RecursionError):
            return False
        return True


class ToolCalls:
    """Of one answer."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._begun = 0
        self._chars = 0

    @property
    def have_begun(self) -> bool:
        return self._begun > 0

    def add(self, pieces: Any, parts: list[Part]) -> None:
        """As a chunk or a message has them; what is no piece of a call is passed over. Raises Unreadable."""
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            if isinstance(piece, dict):
                self._add(piece, parts)
        if len(self._calls) > MAX_TOOL_CALLS or self._chars > MAX_TOOL_CALL_CHARS:
            raise Unreadable("the tool calls do not end")

    def _add(self, piece: dict[str, Any], parts: list[Part]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, dict) else piece
        index, call_id, name = _number(piece.get("index")), _text(piece.get("id")), _text(function.get("name"))
        arguments = function.get("arguments")
        is_object = isinstance(arguments, dict | list)
        text = json.dumps(arguments, ensure_ascii=False) if is_object else _text(arguments)
        call = self._find(index, call_id, name)
        if call is None:
            call = _Call(index)
            self._calls.append(call)
        call.id = call.id or call_id
        call.name = call.name or name
        if is_object and call.arguments:  # a whole object, once more
            text = ""
        call.arguments += text
        self._chars += len(call_id) + len(name) + len(text)
        self._tell(call, text, parts)

    def _tell(self, call: _Call, text: str, parts: list[Part]) -> None:
        """A call without a name is none; one without an id is given one, because its result has to name it."""
        if call.number is None and call.name:
            call.number = self._begun
            self._begun += 1
            parts.append(ToolCallBegun(call.id or f"call_{uuid4().hex}", call.name))
            text = call.arguments
        if call.number is not None and text:
            parts.append(ToolArguments(text, call.number))

    def _find(self, index: int | None, call_id: str, name: str) -> _Call | None:
        """The call that this piece goes on with; None where it begins one."""
        if index is None:
            same_id = [call for call in self._calls if call_id and call.id == call_id]
            known = same_id or self._calls[-1:]
        else:
            known = [call for call in self._calls if call.index == index][-1:]
        if not known:
            return None
        call = known[-1]
        has_another_id = bool(call_id and call.id and call.id != call_id)
        if has_another_id and (name or index is None):
            return None
        if name and not call_id and call.name and call.is_whole:
            return None
        return call


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    """Whole numbers alone tell calls apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == int(value) else None
