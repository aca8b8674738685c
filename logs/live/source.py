"""The lines after a given one, wherever they are: in this process, in Redis, in the archive."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from logs.archive.archive import Archive
from logs.live.filters import ALL
from logs.stream.line import FIRST, LineId, StreamLine
from logs.stream.redis_lines import RedisLines
from logs.stream.tail import Tail

SEARCH_SECONDS = 3.0


class After(NamedTuple):
    lines: Sequence[StreamLine]
    missed: int | None
    """So many lines between are nowhere any more; None: some, and nobody knows how many."""


class LineSource:
    def __init__(self, lines: RedisLines, tail: Tail, archive: Archive | None) -> None:
        self._lines = lines
        self._tail = tail
        self._archive = archive

    async def after(self, line_id: LineId, most: int, *, archived: bool = False) -> After:
        """`archived`: look into the archive for what Redis has no longer. Raises RedisError."""
        place = self._tail.place_after(line_id)
        if place is not None:
            return After(self._tail.after(place, most), 0)
        lines: Sequence[StreamLine] = await self._lines.after(None if line_id == FIRST else line_id, most)
        if not lines or line_id == FIRST:
            return After(lines, 0)
        missed = line_id.lines_until(lines[0].id)
        if archived and missed != 0 and (older := await self._from_archive(line_id, most, lines[0].id)):
            return After(older, line_id.lines_until(older[0].id))
        return After(lines, missed)

    def is_last(self, line_id: LineId) -> bool:
        """Whether nothing came after it, as far as this process knows."""
        return line_id >= self._tail.last_id

    async def _from_archive(self, line_id: LineId, most: int, first: LineId) -> list[StreamLine]:
        if self._archive is None:
            return []
        deadline = monotonic() + SEARCH_SECONDS
        try:
            found = await asyncio.to_thread(
                self._archive.search, ALL, line_id, most, backwards=False, deadline=deadline
            )
        except (SQLAlchemyError, OSError):
            return []
        return [line for line in found.lines if line.id < first]
