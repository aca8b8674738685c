"""Brings what is read from Redis into the archive: the leader's duty."""

import asyncio
from collections.abc import Sequence
from time import monotonic

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, SQLAlchemyError

from logs.archive.archive import Archive, ArchiveFull
from logs.live.source import LineSource
from logs.stream.leadership import LeaderAppender
from logs.stream.line import FIRST, LineId, StreamLine
from logs.stream.notices import lines_in_words, notice

log = structlog.get_logger()

BATCH_LINES = 1000
FEW_LINES = 100
"""So few need not be written at once."""
GATHER_SECONDS = 0.2
"""For more lines that can go in the same transaction."""
RETRY_SECONDS = 2.0
TIDY_SECONDS = 60.0


class Archiver:
    def __init__(self, archive: Archive, source: LineSource) -> None:
        self._archive = archive
        self._source = source
        self.place: LineId | None = None
        """The last line that this process has archived."""
        self.trouble = ""
        """Why lines are not kept at the moment."""

    async def lead(self, appender: LeaderAppender) -> None:
        tidied = -TIDY_SECONDS
        while True:
            try:
                place = await asyncio.to_thread(self._archive.last_id) or FIRST
                while True:
                    if monotonic() - tidied >= TIDY_SECONDS:
                        tidied = monotonic()
                        await self._tidy(appender)
                    place = await self._go_on(place, appender)
            except (SQLAlchemyError, OSError, ArchiveFull) as error:
                await self._tell_trouble(str(error).splitlines()[0], appender)
                tidied = -TIDY_SECONDS  # that may make room
                await asyncio.sleep(RETRY_SECONDS)
            except RedisError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _go_on(self, place: LineId, appender: LeaderAppender) -> LineId:
        """Returns the id of the last line that is in the archive."""
        lines, missed = await self._source.after(place, BATCH_LINES)
        if missed and place != FIRST:
            await appender.append(
                [notice(f"{lines_in_words(missed)} left Redis before being archived", "warning", lost=missed)]
            )
        if lines:
            await self._append(lines, appender)
            place = self.place = lines[-1].id
        if self.trouble:
            self.trouble = ""
            log.info("archiving again", action="archive.back")
        if len(lines) < FEW_LINES:
            await asyncio.sleep(GATHER_SECONDS)
        return place

    async def _append(self, lines: Sequence[StreamLine], appender: LeaderAppender) -> None:
        """A line that the database does not take, whatever it has, keeps back no other."""
        try:
            await asyncio.to_thread(self._archive.append, lines)
        except DataError:
            refused = 0
            for line in lines:
                try:
                    await asyncio.to_thread(self._archive.append, [line])
                except DataError:
                    refused += 1
            if refused:
                text = f"{lines_in_words(refused)} not archived: the database does not take what is in there"
                await appender.append([notice(text, "warning")])

    async def _tidy(self, appender: LeaderAppender) -> None:
        for text in await asyncio.to_thread(self._archive.tidy):
            await appender.append([notice(text, "info")])

    async def _tell_trouble(self, why: str, appender: LeaderAppender) -> None:
        """Once."""
        if not self.trouble:
            self.trouble = why
            log.warning("not archiving", action="archive.trouble", error=why)
            await appender.append([notice(f"lines are not archived: {why}", "error")])
