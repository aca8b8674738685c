"""The archive in PostgreSQL, for more than one machine: a partition for each day."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from core.settings import Settings
from logs.archive.table import DEBUG_LEVELS, FETCHED, Found, day_of, lines, metadata, row_of, scan, statement
from logs.live.filters import Matcher
from logs.stream.line import LineId, StreamLine

SCHEMA = "hopstream_logs"
"""Of its own: nothing of the product's tables is there."""
ANSWER_MS = 30_000
_PARTITIONS = sa.text(
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'hopstream_logs.lines'::regclass"
)
_SIZE = sa.text(
    "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits "
    "WHERE inhparent = 'hopstream_logs.lines'::regclass"
)


class PostgresArchive:
    def __init__(self, settings: Settings) -> None:
        url = sa.make_url(re.sub(r"^postgres(ql)?(\+\w+)?:", "postgresql+psycopg:", settings.log_archive))
        options = f"-c search_path={SCHEMA} -c statement_timeout={ANSWER_MS}"
        self._engine = sa.create_engine(
            url, pool_pre_ping=True, pool_size=2, connect_args={"options": options, "connect_timeout": 5}
        )
        self._keeps = timedelta(days=settings.log_keep_days)
        self._keeps_debug = timedelta(days=settings.log_keep_debug_days)
        self._most_bytes = settings.log_keep_mb * 1024 * 1024
        self._days: set[date] = set()
        """Whose partitions are known to be there."""
        self._is_made = False

    def last_id(self) -> LineId | None:
        self._make()
        newest = sa.select(lines.c.ms, lines.c.number).order_by(lines.c.ms.desc(), lines.c.number.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(newest).first()
        return LineId(row.ms, row.number) if row else None

    def append(self, new: Sequence[StreamLine]) -> None:
        self._make()
        for day, of_day in groupby(new, key=lambda line: day_of(line.id.ms)):
            self._make_partition(day)
            with self._engine.begin() as connection:
                connection.execute(insert(lines).on_conflict_do_nothing(), [row_of(line) for line in of_day])

    def search(self, matcher: Matcher, place: LineId | None, limit: int, *, backwards: bool, deadline: float) -> Found:
        self._make()
        asked = statement(matcher, place, backwards=backwards)
        with (
            self._engine.connect() as connection,
            connection.execution_options(yield_per=FETCHED).execute(asked) as rows,
        ):
            return scan(rows, matcher, limit, deadline)

    def names(self) -> tuple[set[str], set[str]]:
        self._make()
        recent = lines.c.ms >= (datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000
        with self._engine.connect() as connection:
            return (
                set(connection.scalars(sa.select(lines.c.service).where(recent).distinct())),
                set(connection.scalars(sa.select(lines.c.channel).where(recent).distinct())),
            )

    def tidy(self) -> list[str]:
        self._make()
        now, done = datetime.now(UTC), []
        for day in (days := self._known_days()):
            if _begin(day) + timedelta(days=1) <= now - self._keeps:
                self._remove(day)
                done.append(
                    f"{day} is removed from the archive: older than {self._keeps.total_seconds() / 86400:g} days"
                )
        days = self._known_days()
        while len(days) > 1 and self._size() > self._most_bytes:
            self._remove(days[0])
            done.append(f"{days.pop(0)} is removed from the archive: it has more than {self._most_bytes >> 20} MB")
        with self._engine.begin() as connection:
            too_old = lines.c.ms < int((now - self._keeps_debug).timestamp() * 1000)
            connection.execute(sa.delete(lines).where(too_old, lines.c.level.in_(DEBUG_LEVELS)))
        return done

    def close(self) -> None:
        self._engine.dispose()

    def _make(self) -> None:
        if not self._is_made:
            with self._engine.begin() as connection:
                connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
                metadata.create_all(connection)
            self._is_made = True

    def _make_partition(self, day: date) -> None:
        if day in self._days:
            return
        begin, end = (int(_begin(each).timestamp() * 1000) for each in (day, day + timedelta(days=1)))
        with self._engine.begin() as connection:
            # Names and bounds are of a date, nothing that somebody else has written.
            connection.execute(
                sa.text(
                    f"CREATE TABLE IF NOT EXISTS {_name(day)} PARTITION OF lines FOR VALUES FROM ({begin}) TO ({end})"
                )
            )
        self._days.add(day)

    def _known_days(self) -> list[date]:
        with self._engine.connect() as connection:
            names = [re.search(r"lines_(\d{8})$", name) for name in connection.scalars(_PARTITIONS)]
        return sorted(datetime.strptime(name[1], "%Y%m%d").replace(tzinfo=UTC).date() for name in names if name)

    def _remove(self, day: date) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {_name(day)}"))
        self._days.discard(day)

    def _size(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.scalar(_SIZE) or 0)


def _name(day: date) -> str:
    return f"{SCHEMA}.lines_{day:%Y%m%d}"


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
