"""The archive in SQLite: a file for each day, so that a day goes by removing its file."""

import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import OperationalError

from core.settings import Settings
from logs.archive.archive import ArchiveFull
from logs.archive.table import (
    CLOCK_MS,
    DEBUG_LEVELS,
    FETCHED,
    Found,
    day_of,
    lines,
    metadata,
    microseconds,
    row_of,
    scan,
    statement,
)
from logs.live.filters import Matcher, text_of
from logs.stream.line import LineId, StreamLine

log = structlog.get_logger()

FREE_BYTES = 200 * 1024 * 1024
"""Are left on the disk: before it is full, the oldest days go, and then nothing more is written."""
WITHOUT_DEBUG = 1
"""user_version of a file whose lines of the level debug are gone."""
_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA busy_timeout = 5000")
_ADD_WORDS = "INSERT INTO words(rowid, text) VALUES (:number, :text)"
_WORDS = "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='')"


class DayFiles:
    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.log_archive)
        self._keeps = timedelta(days=settings.log_keep_days)
        self._keeps_debug = timedelta(days=settings.log_keep_debug_days)
        self._most_bytes = settings.log_keep_mb * 1024 * 1024
        self._indexes_words = settings.log_search_index
        self._engines: dict[date, sa.Engine] = {}
        self._lock = threading.Lock()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def last_id(self) -> LineId | None:
        newest = sa.select(lines.c.ms, lines.c.number).order_by(lines.c.ms.desc(), lines.c.number.desc()).limit(1)
        for day in self._days(backwards=True):
            with self._engine(day).connect() as connection:
                row = connection.execute(newest).first()
            if row is not None:
                return LineId(row.ms, row.number)
        return None

    def append(self, new: Sequence[StreamLine]) -> None:
        if shutil.disk_usage(self._folder).free < FREE_BYTES:
            raise ArchiveFull(f"less than {FREE_BYTES >> 20} MB are free in {self._folder}: lines are not kept there")
        for day, of_day in groupby(new, key=lambda line: day_of(line.id.ms)):
            self._append(day, list(of_day))

    def _append(self, day: date, new: list[StreamLine]) -> None:
        try:
            with self._engine(day).begin() as connection:
                connection.execute(insert(lines).on_conflict_do_nothing(), [row_of(line) for line in new])
                if self._indexes_words:
                    words = [{"number": line.id.number, "text": text_of(line.record)} for line in new]
                    connection.execute(
                        sa.text("INSERT OR REPLACE INTO words(rowid, text) VALUES (:number, :text)"), words
                    )
        except OperationalError as error:
            if "full" in str(error.orig):
                raise ArchiveFull(f"{self._folder} has no room: {error.orig}") from error
            raise

    def search(self, matcher: Matcher, place: LineId | None, limit: int, *, backwards: bool, deadline: float) -> Found:
        found: list[StreamLine] = []
        for day in self._days_of(matcher, place, backwards=backwards):
            asked = self._with_words(statement(matcher, place, backwards=backwards), matcher)
            with (
                self._engine(day).connect() as connection,
                connection.execution_options(yield_per=FETCHED).execute(asked) as rows,
            ):
                more = scan(rows, matcher, limit - len(found), deadline)
            found += more.lines
            if more.scanned_to is not None:
                return Found(found, more.scanned_to)
        return Found(found, None)

    def names(self) -> tuple[set[str], set[str]]:
        services: set[str] = set()
        channels: set[str] = set()
        for day in self._days(backwards=True)[:2]:
            with self._engine(day).connect() as connection:
                services.update(connection.scalars(sa.select(lines.c.service).distinct()))
                channels.update(connection.scalars(sa.select(lines.c.channel).distinct()))
        return services, channels

    def tidy(self) -> list[str]:
        now = datetime.now(UTC)
        done: list[str] = []
        for day in self._days():
            if _end(day) <= now - self._keeps:
                self._remove(day)
                done.append(
                    f"{day} is removed from the archive: older than {self._keeps.total_seconds() / 86400:g} days"
                )
            elif _end(day) <= now - self._keeps_debug and self._remove_debug(day):
                done.append(f"lines of the level debug of {day} are removed from the archive")
        while len(days := self._days()) > 1 and (why := self._lacks_room()):
            self._remove(days[0])
            done.append(f"{days[0]} is removed from the archive: {why}")
        return done

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()

    def _lacks_room(self) -> str | None:
        if sum(file.stat().st_size for file in self._folder.glob("*.db*")) > self._most_bytes:
            return f"it has more than {self._most_bytes >> 20} MB"
        if shutil.disk_usage(self._folder).free < FREE_BYTES:
            return f"less than {FREE_BYTES >> 20} MB are free"
        return None

    def _remove(self, day: date) -> None:
        with self._lock:
            engine = self._engines.pop(day, None)
        if engine is not None:
            engine.dispose()
        for ending in ("", "-wal", "-shm"):
            Path(f"{self._path(day)}{ending}").unlink(missing_ok=True)

    def _remove_debug(self, day: date) -> bool:
        """Once, and then the file takes as much less room. Whether there was something to do."""
        engine = self._engine(day)
        with engine.connect() as connection:
            if connection.scalar(sa.text("PRAGMA user_version")) >= WITHOUT_DEBUG:
                return False
        with engine.begin() as connection:
            removed = connection.execute(sa.delete(lines).where(lines.c.level.in_(DEBUG_LEVELS))).rowcount
            connection.execute(sa.text(f"PRAGMA user_version = {WITHOUT_DEBUG}"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM"))
        return bool(removed)

    def _days(self, *, backwards: bool = False) -> list[date]:
        """A file that another gateway has removed takes room until it is closed here, too."""
        with self._lock:
            names = (file.stem for file in self._folder.glob("*.db"))
            days = {date.fromisoformat(name) for name in names if re.fullmatch(r"\d{4}-\d\d-\d\d", name)}
            removed = [self._engines.pop(day) for day in self._engines.keys() - days]
        for engine in removed:
            engine.dispose()
        return sorted(days, reverse=backwards)

    def _days_of(self, matcher: Matcher, place: LineId | None, *, backwards: bool) -> Iterator[date]:
        since, until = matcher.asked.since, matcher.asked.until
        first = day_of(microseconds(since) // 1000 - CLOCK_MS) if since else date.min
        last = day_of(microseconds(until) // 1000 + CLOCK_MS) if until else date.max
        if place is not None:
            here = day_of(place.ms)
            first, last = (first, min(last, here)) if backwards else (max(first, here), last)
        return (day for day in self._days(backwards=backwards) if first <= day <= last)

    def _with_words(self, asked: sa.Select[Any], matcher: Matcher) -> sa.Select[Any]:
        """Words of the index are whole, or begin as the last one does."""
        if not self._indexes_words or not (words := re.findall(r"\w+", matcher.asked.word)):
            return asked
        phrase = " ".join(f'"{word}"' for word in words) + "*"
        return asked.where(
            sa.text("number IN (SELECT rowid FROM words WHERE words MATCH :phrase)").bindparams(phrase=phrase)
        )

    def _engine(self, day: date) -> sa.Engine:
        with self._lock:
            if day not in self._engines:
                engine = self._engines[day] = sa.create_engine(f"sqlite:///{self._path(day)}")
                sa.event.listen(engine, "connect", _prepare)
                metadata.create_all(engine)
                if self._indexes_words:
                    with engine.begin() as connection:
                        connection.execute(sa.text(_WORDS))
            return self._engines[day]

    def _path(self, day: date) -> Path:
        return self._folder / f"{day}.db"


def _prepare(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _end(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
