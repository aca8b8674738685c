"""Pages of lines that were there before: the newest from Redis, all others from the archive."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from logs.archive.archive import Archive
from logs.live.filters import Matcher
from logs.live.source import SEARCH_SECONDS
from logs.stream.line import FIRST, LineId, StreamLine
from logs.stream.redis_lines import RedisLines

PAGE_LINES = 1000
EXPORT_LINES = 1_000_000


class Page(msgspec.Struct):
    lines: list[StreamLine]
    """Oldest first."""
    next: LineId | None
    """Ask for what is beyond it; None: there is nothing beyond."""
    trouble: str = ""
    """Why the archive was not looked into."""


class History:
    def __init__(self, lines: RedisLines, archive: Archive | None) -> None:
        self._lines = lines
        self._archive = archive

    async def before(self, matcher: Matcher, place: LineId | None, limit: int) -> Page:
        """The newest ones before a line, or of all. Ends early where the search takes too long. Raises RedisError."""
        deadline = monotonic() + SEARCH_SECONDS
        archived, trouble = await self._archived()
        found: list[StreamLine] = []
        top = place
        while archived is None or top is None or top > archived:
            lines = await self._lines.before(top, PAGE_LINES)
            recent = [line for line in lines if archived is None or line.id > archived]
            for line in recent:
                top = line.id
                if matcher.takes(line):
                    found.append(line)
                if len(found) == limit:
                    return Page(found[::-1], top, trouble)
            if len(recent) < len(lines) or not lines:
                break
            if monotonic() > deadline:
                return Page(found[::-1], top, trouble)
        if archived is None:
            return Page(found[::-1], None, trouble)
        below = archived.next() if top is None or top > archived else top
        older = await self._search(matcher, below, limit - len(found), deadline, backwards=True)
        return Page(older.lines[::-1] + found[::-1], older.next, older.trouble)

    async def after(self, matcher: Matcher, place: LineId, limit: int) -> Page:
        """The oldest ones after a line. Raises RedisError."""
        deadline = monotonic() + SEARCH_SECONDS
        archived, trouble = await self._archived()
        found: list[StreamLine] = []
        if archived is not None and place < archived:
            page = await self._search(matcher, place, limit, deadline, backwards=False)
            if page.next is not None or page.trouble:
                return page
            found, place = page.lines, archived
        while True:
            lines = await self._lines.after(place, PAGE_LINES)
            for line in lines:
                place = line.id
                if matcher.takes(line):
                    found.append(line)
                if len(found) == limit:
                    return Page(found, place, trouble)
            if not lines:
                return Page(found, None, trouble)
            if monotonic() > deadline:
                return Page(found, place, trouble)

    async def begin(self, matcher: Matcher) -> LineId:
        """The place after which the first line that passes comes. Raises RedisError."""
        page = await self.after(matcher, FIRST, 1)
        if page.lines:
            first = page.lines[0].id
            return LineId(first.ms, first.number - 1)
        return page.next or FIRST

    async def all(self, matcher: Matcher, until: LineId) -> AsyncIterator[list[StreamLine]]:
        """From the oldest one on, in pieces, up to a line. Raises RedisError."""
        place: LineId | None = FIRST
        told = 0
        while place is not None and place < until and told < EXPORT_LINES:
            page = await self.after(matcher, place, PAGE_LINES)
            yield [line for line in page.lines if line.id <= until]
            told += len(page.lines)
            place = page.next

    async def _archived(self) -> tuple[LineId | None, str]:
        """Up to where the archive has all lines, and why nobody knows that."""
        if self._archive is None:
            return None, ""
        try:
            return await asyncio.to_thread(self._archive.last_id), ""
        except (SQLAlchemyError, OSError) as error:
            return None, str(error).splitlines()[0]

    async def _search(self, matcher: Matcher, place: LineId, limit: int, deadline: float, *, backwards: bool) -> Page:
        """In the archive, if there is one; lines in the order of the search."""
        if self._archive is None:
            return Page([], None)
        try:
            found = await asyncio.to_thread(
                self._archive.search, matcher, place, limit, backwards=backwards, deadline=deadline
            )
        except (SQLAlchemyError, OSError) as error:
            return Page([], None, str(error).splitlines()[0])
        return Page(found.lines, found.scanned_to)
