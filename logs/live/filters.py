"""Which lines somebody wants to see: of a query's parameters, the same for live lines and for history."""

import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import re2
from fastapi import Depends, Query

from core.telemetry.log_stream.record import LEVELS, Record, timestamp
from logs.problems import BadQuery
from logs.stream.line import StreamLine

MOST_CHARS = 500
MOST_NAMES = 50
REGEX_BYTES = 1024 * 1024
"""Of memory, for a regular expression: such as need more are refused."""
SESSION_FIELDS = ("session_id", "conversation_id", "conversationId")
REQUEST_FIELDS = ("request_id", "trace_id")


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    channels: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    level: str | None = None
    """That or worse."""
    word: str = ""
    """Anywhere in message or fields, in any case."""
    regex: str = ""
    """RE2's syntax; in the message."""
    session: str = ""
    request: str = ""
    since: str = ""
    until: str = ""
    """RFC 3339 in UTC, as the records have it; `until` is not included."""

    @property
    def takes_all(self) -> bool:
        return self == Filter()


class Matcher:
    """A filter made ready. Raises BadQuery for a regular expression that RE2 does not take."""

    def __init__(self, asked: Filter) -> None:
        self.asked = asked
        self._levels = frozenset(LEVELS[LEVELS.index(asked.level) :]) if asked.level else None
        self._word = asked.word.casefold()
        self._regex = _compile(asked.regex) if asked.regex else None

    def takes(self, line: StreamLine) -> bool:
        asked = self.asked
        if asked.channels and line.channel not in asked.channels:
            return False
        record = line.record
        return (
            (not asked.services or record.service in asked.services)
            and (self._levels is None or record.level in self._levels)
            and (not asked.since or record.time >= asked.since)
            and (not asked.until or record.time < asked.until)
            and (not asked.session or _has(record, SESSION_FIELDS, asked.session))
            and (not asked.request or _has(record, REQUEST_FIELDS, asked.request))
            and (not self._word or self._word in text_of(record).casefold())
            and (self._regex is None or self._regex.search(record.message) is not None)
        )


ALL = Matcher(Filter())


def text_of(record: Record) -> str:
    """All that a word is looked for in."""
    return " ".join([record.message, *map(str, record.fields.values())])


def session_of(record: Record) -> str | None:
    return _first(record, SESSION_FIELDS)


def request_of(record: Record) -> str | None:
    return _first(record, REQUEST_FIELDS)


def filter_of_query(
    channel: Annotated[list[str] | None, Query(max_length=MOST_NAMES)] = None,
    service: Annotated[list[str] | None, Query(max_length=MOST_NAMES)] = None,
    level: Annotated[str | None, Query(pattern=f"^({'|'.join(LEVELS)})$")] = None,
    q: Annotated[str, Query(max_length=MOST_CHARS)] = "",
    regex: Annotated[str, Query(max_length=MOST_CHARS)] = "",
    session: Annotated[str, Query(max_length=MOST_CHARS)] = "",
    request: Annotated[str, Query(max_length=MOST_CHARS)] = "",
    since: Annotated[str, Query(max_length=40)] = "",
    until: Annotated[str, Query(max_length=40)] = "",
) -> Matcher:
    """A dependency of routes. Times are RFC 3339, or seconds since 1970."""
    return Matcher(
        Filter(
            channels=frozenset(channel or ()),
            services=frozenset(service or ()),
            level=level,
            word=q,
            regex=regex,
            session=session,
            request=request,
            since=_time("since", since),
            until=_time("until", until),
        )
    )


Asked = Annotated[Matcher, Depends(filter_of_query)]


def _compile(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.max_mem = REGEX_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        why = error.args[0] if error.args else "not understood"
        reason = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise BadQuery(f"regex: {reason}; it is RE2's syntax, without look-around and back references") from None


def _time(name: str, text: str) -> str:
    if not text:
        return ""
    try:
        if re.fullmatch(r"\d{1,11}(\.\d+)?", text):
            return timestamp(float(text))
        time = datetime.fromisoformat(text)
        return timestamp((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise BadQuery(f"{name}: must be a time as 2026-11-29T20:57:01Z, or in seconds since 1970") from None


def _first(record: Record, names: tuple[str, ...]) -> str | None:
    return next((str(record.fields[name]) for name in names if name in record.fields), None)


def _has(record: Record, names: tuple[str, ...], value: str) -> bool:
    return any(str(record.fields.get(name)) == value for name in names)
