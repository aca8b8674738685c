"""The newest lines of all channels, as this process has read them: one copy for all who follow them."""

import asyncio
from bisect import bisect_right
from collections.abc import Coroutine, Sequence

from logs.stream.line import FIRST, LineId, StreamLine

KEPT_LINES = 20_000
KEPT_BYTES = 32 * 1024 * 1024
"""At most, and about so many: the oldest go by the quarter."""


PIECE_BYTES = 1024 * 1024
"""At most, and one line more, are taken at once."""


class Tail:
    """A place in it is a count: of all lines that were read before."""

    def __init__(self) -> None:
        self._lines: list[StreamLine] = []
        self._bytes = 0
        self._news = asyncio.Event()
        self.end = 0
        self.last_id = FIRST
        """Of the last line; at first, the one after which reading began."""
        self.begun = asyncio.Event()
        """It is known after which line reading begins."""

    @property
    def start(self) -> int:
        return self.end - len(self._lines)

    def begin_after(self, line_id: LineId) -> None:
        """Reading begins there, or begins again."""
        self.last_id = line_id
        self.begun.set()
        self.tell()

    def extend(self, lines: Sequence[StreamLine], last_id: LineId) -> None:
        """By what was new up to a line."""
        self._lines.extend(lines)
        self._bytes += sum(len(line.data) for line in lines)
        while len(self._lines) > KEPT_LINES or (self._bytes > KEPT_BYTES and len(self._lines) > 1):
            oldest = len(self._lines) // 4 or 1
            self._bytes -= sum(len(line.data) for line in self._lines[:oldest])
            del self._lines[:oldest]
        self.end += len(lines)
        self.last_id = last_id
        self.tell()

    def tell(self) -> None:
        """All who wait for news look again."""
        self._news.set()
        self._news = asyncio.Event()

    def after(self, place: int, most: int) -> list[StreamLine]:
        """From a place that is still here: `start` or later. Fewer where they are long."""
        begin = place - self.start
        lines = self._lines[begin : begin + most]
        size = 0
        for number, line in enumerate(lines, 1):
            size += len(line.data)
            if size > PIECE_BYTES:
                return lines[:number]
        return lines

    def place_after(self, line_id: LineId) -> int | None:
        """Where the lines after this one begin; None where some of them are here no longer."""
        if line_id >= self.last_id:
            return self.end
        if not self._lines or line_id < self._lines[0].id:
            return None
        return self.start + bisect_right(self._lines, line_id, key=lambda line: line.id)

    def news(self) -> Coroutine[None, None, bool]:
        """Returns when something is new, from this call on, whenever it is awaited."""
        return self._news.wait()
