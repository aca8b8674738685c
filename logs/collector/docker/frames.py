"""What Docker's log API sends: frames of two streams, or the bytes of a terminal. Each line begins with its time.

https://docs.docker.com/reference/api/engine/ (ContainerAttach, "Stream format").
"""

from collections.abc import Iterator
from time import time

from logs.collector.resuming import NANOSECONDS, nanoseconds
from logs.records.joining import Line, Pieces, Splitter

STREAMS = ("stdin", "stdout", "stderr")
_HEADER = 8
_MOST_OF_A_FRAME = 1024 * 1024
"""Docker's are 16 KB and a time."""
_PIECE = 16384
"""Docker splits a longer line; each piece comes with the time again."""
_MOST_OF_A_STAMP = 40


class BadFrame(Exception):
    """Not Docker's frames."""


class Frames:
    """Takes bytes as they come apart into frames: the stream's name and what is in it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Raises BadFrame."""
        buffer = self._buffer
        buffer += data
        start, most = 0, len(buffer)
        while most - start >= _HEADER:
            size = int.from_bytes(buffer[start + 4 : start + _HEADER], "big")
            if buffer[start] >= len(STREAMS) or buffer[start + 1 : start + 4] != b"\0\0\0" or size > _MOST_OF_A_FRAME:
                raise BadFrame
            end = start + _HEADER + size
            if end > most:
                break
            yield STREAMS[buffer[start]], bytes(buffer[start + _HEADER : end])
            start = end
        del buffer[:start]


class FramedLines:
    """The lines of one stream of frames."""

    def __init__(self) -> None:
        self._pieces = Pieces()
        self._ns = 0

    def feed(self, payload: bytes) -> Iterator[tuple[Line, int]]:
        """Each line that is whole by now, and its time in ns."""
        stamp, space, text = payload.partition(b" ")
        ns = _nanoseconds(stamp) if space else None
        if ns is None:  # Docker always says one; Podman leaves it out of an empty line
            ns, text = self._ns, payload
        if self._pieces and ns != self._ns:
            yield self.rest()  # it ended without a line feed when its container did; pieces of one have the same time
        self._ns = ns
        if not text.endswith(b"\n"):
            self._pieces.add(text)
            return
        self._pieces.add(text[:-2] if text.endswith(b"\r\n") else text[:-1])
        yield self.rest()

    def rest(self) -> tuple[Line, int]:
        """What there is of a line whose end does not come any more."""
        text, cut = self._pieces.take()
        return Line(text, time(), self._ns / NANOSECONDS, cut), self._ns

    @property
    def is_within_a_line(self) -> bool:
        return bool(self._pieces)


class TerminalLines:
    """The lines of a container with a terminal (`tty: true`): no frames, one stream."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._ns = 0

    def feed(self, data: bytes) -> Iterator[tuple[Line, int]]:
        for text, cut in self._splitter.feed(data):
            yield self._line(text, cut)

    def rest(self) -> tuple[Line, int] | None:
        rest = self._splitter.rest()
        return None if rest is None else self._line(*rest)

    def _line(self, text: str, cut: int) -> tuple[Line, int]:
        stamp, space, rest = text[:_MOST_OF_A_STAMP].partition(" ")
        ns = nanoseconds(stamp) if space else None
        if ns is None:
            return Line(text.rstrip("\r"), time(), self._ns / NANOSECONDS, cut), self._ns
        self._ns = ns
        head = stamp + " "
        rest = text[len(head) :]
        if len(rest) > _PIECE and head in rest:
            rest = rest.replace(head, "")  # where each further piece began
        return Line(rest.rstrip("\r"), time(), ns / NANOSECONDS, cut), ns


def _nanoseconds(stamp: bytes) -> int | None:
    if len(stamp) > _MOST_OF_A_STAMP:
        return None
    return nanoseconds(stamp.decode("ascii", "replace"))
