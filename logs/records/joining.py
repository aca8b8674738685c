"""Lines out of what arrives of them: pieces of a long one, or bytes as they come."""

from collections.abc import Iterator
from typing import Any

import msgspec

from logs.records.parsing import MOST_BYTES


class Line(msgspec.Struct):
    """Of a source, before it is parsed."""

    text: str
    arrived: float
    """In seconds since 1970."""
    said: float | None = None
    """When its source says that it was written."""
    cut: int = 0
    """Bytes that are missing: it was too long."""
    place: Any = None
    """How far its source has been read with it, in the source's own terms."""


class Pieces:
    """Joins the pieces of one line after the other, and holds MOST_BYTES at most."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self._cut = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, piece: bytes) -> None:
        room = MOST_BYTES - self._bytes
        if len(piece) > room:
            self._cut += len(piece) - room
            piece = piece[:room]
        if piece:
            self._parts.append(piece)
            self._bytes += len(piece)

    def take(self) -> tuple[str, int]:
        """The line, and how many bytes of it are missing. What is no UTF-8 is replaced."""
        line, cut = b"".join(self._parts), self._cut
        self._parts, self._bytes, self._cut = [], 0, 0
        return line.decode("utf-8", "ignore" if cut else "replace"), cut


class Splitter:
    """Splits bytes at line feeds."""

    def __init__(self) -> None:
        self._pieces = Pieces()

    def feed(self, data: bytes) -> Iterator[tuple[str, int]]:
        """Each line that is whole by now, without its end, and how many bytes of it are missing."""
        lines = data.split(b"\n")
        for line in lines[:-1]:
            self._pieces.add(line)
            yield self._pieces.take()
        self._pieces.add(lines[-1])

    def rest(self) -> tuple[str, int] | None:
        """What came behind the last line feed, if anything did."""
        return self._pieces.take() if self._pieces else None
