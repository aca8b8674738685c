"""The table of lines, the same in SQLite and PostgreSQL, and what is asked of it."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from time import monotonic
from typing import Any, NamedTuple

import sqlalchemy as sa

from core.telemetry.log_stream.record import LEVELS
from logs.live.filters import Filter, Matcher, request_of, session_of
from logs.stream.line import LATEST_MS, LineId, StreamLine

UNKNOWN_LEVEL = -1
DEBUG_LEVELS = (LEVELS.index("trace"), LEVELS.index("debug"))
NOTEWORTHY = LEVELS.index("warning")
FETCHED = 500
CLOCK_MS = 24 * 3600 * 1000
"""What was said within a time has come within a day of it: before, by a clock that is fast, or late."""

metadata = sa.MetaData()
lines = sa.Table(
    "lines",
    metadata,
    sa.Column("ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("session", sa.Text),
    sa.Column("request", sa.Text),
    sa.Column("published", sa.Boolean, nullable=False),  # by others
    sa.Column("record", sa.Text, nullable=False),  # JSON
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (ms)",
)
sa.Index("lines_service", lines.c.service, lines.c.ms, lines.c.number)
sa.Index("lines_channel", lines.c.channel, lines.c.ms, lines.c.number)
for _name, _condition in (
    ("level", lines.c.level >= NOTEWORTHY),
    ("session", lines.c.session.is_not(None)),
    ("request", lines.c.request.is_not(None)),
):
    sa.Index(
        f"lines_{_name}",
        lines.c[_name],
        lines.c.ms,
        lines.c.number,
        sqlite_where=_condition,
        postgresql_where=_condition,
    )


class Found(NamedTuple):
    lines: list[StreamLine]
    """In the order in which they were looked for."""
    scanned_to: LineId | None
    """Time was up, or there were enough: this was the last that was looked at. None: there is nothing beyond."""


def row_of(line: StreamLine) -> dict[str, Any]:
    record = line.record
    return {
        "ms": line.id.ms,
        "number": line.id.number,
        "channel": line.channel,
        "service": record.service,
        "level": LEVELS.index(record.level) if record.level else UNKNOWN_LEVEL,
        "time": _time(line),
        "session": session_of(record),
        "request": request_of(record),
        "published": bool(line.mark),
        "record": str(line.data, "utf-8"),
    }


def _time(line: StreamLine) -> int:
    """What it says, or when it came, where that is no time."""
    try:
        return microseconds(line.record.time)
    except (ValueError, OverflowError):
        return line.id.ms * 1000


def microseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1_000_000)


def day_of(ms: int) -> date:
    """In UTC."""
    return datetime.fromtimestamp(min(max(ms, 0), LATEST_MS) / 1000, UTC).date()


def statement(matcher: Matcher, place: LineId | None, *, backwards: bool) -> sa.Select[Any]:
    """All lines before (after) the place that may match; words and regular expressions are for the matcher itself."""
    c = lines.c
    asked = sa.select(c.ms, c.number, c.channel, c.published, c.record).where(*_conditions(matcher.asked))
    if place is not None:
        here, there = sa.tuple_(c.ms, c.number), sa.tuple_(sa.literal(place.ms), sa.literal(place.number))
        asked = asked.where(here < there if backwards else here > there)
    order = (c.ms.desc(), c.number.desc()) if backwards else (c.ms, c.number)
    return asked.order_by(*order)


def scan(rows: Iterable[sa.Row[Any]], matcher: Matcher, limit: int, deadline: float) -> Found:
    """`deadline`: by the monotonic clock."""
    found: list[StreamLine] = []
    for number, row in enumerate(rows, 1):
        line_id = LineId(row.ms, row.number)
        line = StreamLine(line_id, row.channel, row.record.encode(), mark="publish" if row.published else "")
        if matcher.takes(line):
            found.append(line)
        if len(found) == limit or (number % FETCHED == 0 and monotonic() > deadline):
            return Found(found, line_id)
    return Found(found, None)


def _conditions(asked: Filter) -> Iterable[sa.ColumnElement[bool]]:
    c = lines.c
    if asked.channels:
        yield c.channel.in_(asked.channels)
    if asked.services:
        yield c.service.in_(asked.services)
    if asked.level:
        yield c.level >= LEVELS.index(asked.level)
    if asked.session:
        yield c.session == asked.session
    if asked.request:
        yield c.request == asked.request
    if asked.since:
        yield c.time >= microseconds(asked.since)
        yield c.ms >= microseconds(asked.since) // 1000 - CLOCK_MS
    if asked.until:
        yield c.time < microseconds(asked.until)
        yield c.ms < microseconds(asked.until) // 1000 + CLOCK_MS
    if re.fullmatch(r"[ !#-\[\]-~]+", asked.word):  # as it stands in JSON
        yield c.record.icontains(asked.word, autoescape=True)
