"""The tape: the append-only answer of one attempt, and of those that go on with it. Worker, session log, feed, store
and wires all share this structure.

A position is a whole number from 0 to `len(tape)`, the sum of the lengths of the parts (see `core.model.parts`), so it
names one place whatever way the parts were batched.
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Self

import msgspec

from core.model.errors import HopstreamError
from core.model.parts import BadParts, Part, Reasoning, Refusal, Text, cut, decode_parts, encode_parts, merge, recut

_SIZES = msgspec.msgpack.Decoder(list[int])


class BadTape(HopstreamError):
    code = "bad_tape"
    title = "A stored tape cannot be read"


class Tape:
    """Parts in order, as they came. Neighbours of one kind are merged when read, never when appended: that is O(1)."""

    __slots__ = ("_ends", "_length", "_parts")

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self._parts: list[Part] = []
        self._ends: list[int] = []
        self._length = 0
        self.extend(parts)

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tape) and self.slice() == other.slice()

    __hash__ = None  # type: ignore[assignment]

    def extend(self, parts: Iterable[Part]) -> None:
        """Add parts at the end. An empty text adds nothing."""
        for part in parts:
            if size := len(part):
                self._length += size
                self._parts.append(part)
                self._ends.append(self._length)

    def slice(self, start: int = 0, end: int | None = None) -> list[Part]:
        """The parts between two positions, neighbours of one kind merged. Positions beyond the end mean the end."""
        pieces = self.pieces(start, end)
        return merge(pieces) if len(pieces) > 1 else pieces

    def pieces(self, start: int = 0, end: int | None = None) -> list[Part]:
        """The same, each part by itself, as the worker got them from the model."""
        stop = self._length if end is None else min(end, self._length)
        if start >= stop:
            return []
        first = _first_end_after(self._ends, start)
        begin = self._ends[first - 1] if first else 0
        if start == begin and stop == self._length:  # the usual question: what is new?
            return self._parts[first:]
        return [*self._cut(first, start, stop)]

    def sizes(self) -> list[int]:
        """The lengths of the parts as they came."""
        return [len(part) for part in self._parts]

    def text(self) -> str:
        return "".join(part.text for part in self._parts if isinstance(part, Text))

    def reasoning(self) -> str:
        return "".join(part.text for part in self._parts if isinstance(part, Reasoning))

    def refusal(self) -> str:
        return "".join(part.text for part in self._parts if isinstance(part, Refusal))

    def encode(self) -> bytes:
        return encode_parts(self.slice())

    def encode_ends(self) -> bytes:
        """Where the parts ended that `encode` merges: a few bits for each."""
        return zlib.compress(msgspec.msgpack.encode(self.sizes()))

    @classmethod
    def decode(cls, data: bytes, ends: bytes | None = None) -> Self:
        """With `ends`, the parts as they came. Raises BadTape."""
        try:
            parts = decode_parts(data)
            return cls(parts if ends is None else recut(parts, _SIZES.decode(zlib.decompress(ends))))
        except (BadParts, msgspec.MsgspecError, zlib.error) as error:
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
