"""The tape: the append-only answer of one attempt. Worker, session log, feed, store and wires all share this structure.

A position is a whole number from 0 to `len(tape)`. Text and reasoning are as long as their characters (Unicode code
points), any other part counts 1, so a position names one place whatever way the parts were batched.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Self

import msgspec

from core.model.errors import HopstreamError


class Text(msgspec.Struct, array_like=True, tag="t", frozen=True):
    text: str

    def __len__(self) -> int:
        return len(self.text)


class Reasoning(msgspec.Struct, array_like=True, tag="r", frozen=True):
    """What a reasoning model thinks before it answers."""

    text: str

    def __len__(self) -> int:
        return len(self.text)


class ToolCall(msgspec.Struct, array_like=True, tag="c", frozen=True):
    """A whole call of a tool; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str

    def __len__(self) -> int:
        return 1


Part = Text | Reasoning | ToolCall
_PARTS = msgspec.msgpack.Decoder(list[Part])
_ENCODER = msgspec.msgpack.Encoder()


class BadTape(HopstreamError):
    code = "bad_tape"
    title = "A stored or received tape cannot be read"


class Tape:
    """Parts in order. Neighbours of one kind are merged when read, never when appended: appending costs O(1)."""

    __slots__ = ("_ends", "_length", "_parts")

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self._parts: list[Part] = []
        self._ends: list[int] = []
        self._length = 0
        for part in parts:
            self.append(part)

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tape) and self.slice() == other.slice()

    __hash__ = None  # type: ignore[assignment]

    def append(self, part: Part) -> None:
        """Add a part at the end. An empty text adds nothing."""
        size = len(part)
        if not size:
            return
        self._length += size
        self._parts.append(part)
        self._ends.append(self._length)

    def extend(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self.append(part)

    def slice(self, start: int = 0, end: int | None = None) -> list[Part]:
        """The parts between two positions, neighbours of one kind merged. Positions beyond the end mean the end."""
        stop = self._length if end is None else min(end, self._length)
        if start >= stop:
            return []
        first = _first_end_after(self._ends, start)
        begin = self._ends[first - 1] if first else 0
        if start == begin and stop == self._length:  # the usual question: what is new?
            return merge(self._parts[first:])
        return merge([*self._cut(first, start, stop)])

    def text(self) -> str:
        return "".join(part.text for part in self._parts if isinstance(part, Text))

    def reasoning(self) -> str:
        return "".join(part.text for part in self._parts if isinstance(part, Reasoning))

    def encode(self) -> bytes:
        return _ENCODER.encode(self.slice())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises BadTape."""
        try:
            return cls(_PARTS.decode(data))
        except msgspec.MsgspecError as error:
            raise BadTape(f"the tape cannot be decoded: {error}") from error

    def _cut(self, index: int, start: int, stop: int) -> Iterator[Part]:
        while index < len(self._parts):
            part, end = self._parts[index], self._ends[index]
            begin = end - len(part)
            if begin >= stop:
                return
            yield cut(part, max(start - begin, 0), min(stop, end) - begin)
            index += 1


def _first_end_after(ends: list[int], position: int) -> int:
    """Index of the part that holds `position`. Followers ask for the tail, so look there before bisecting."""
    return len(ends) - 1 if len(ends) > 1 and ends[-2] <= position < ends[-1] else bisect_right(ends, position)


def cut(part: Part, start: int, end: int) -> Part:
    """The piece of one part between two offsets in it."""
    if start == 0 and end == len(part):
        return part
    match part:
        case Text(text):
            return Text(text[start:end])
        case Reasoning(text):
            return Reasoning(text[start:end])
        case _:
            return part


def merge(parts: list[Part]) -> list[Part]:
    """Join neighbouring texts, and neighbouring reasoning, into one part each."""
    if len(parts) == 1:
        return parts
    if set(map(type, parts)) == {Text}:
        return [Text("".join([part.text for part in parts]))]  # type: ignore[union-attr]
    merged: list[Part] = []
    run: list[str] = []
    kind: type[Text] | type[Reasoning] | None = None
    for part in parts:
        if kind is not None and type(part) is not kind:
            merged.append(kind("".join(run)))
            run, kind = [], None
        if isinstance(part, Text | Reasoning):
            run.append(part.text)
            kind = type(part)
        else:
            merged.append(part)
    if kind is not None:
        merged.append(kind("".join(run)))
    return merged
