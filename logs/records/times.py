"""When a line was written, in seconds since 1970: from a field, or from the stamp at its start."""

import re
from datetime import UTC, datetime
from typing import Any

AHEAD_SECONDS = 86400.0
"""A time further ahead of ours is a wrong clock's: zones differ by less."""
_EARLIEST = 946684800.0
"""The year 2000: clocks that were never set tell 1970 or 1980."""
_LATEST = 253402300799.0
"""The year 9999."""
_SMALLEST = 1e8
_QUARTER = 900.0
"""All zones are a multiple of it away from UTC, in seconds."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_MONTH = "(?P<month>" + "|".join(_MONTHS) + ")"
_CLOCK = r"(?P<clock>\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)"

_ISO = re.compile(
    r"[\[(]?(\d{4})([-/])(\d\d)\2(\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)"
    r"( ?(?:Z|UTC|GMT)(?![A-Za-z])| ?[+-]\d\d:?\d\d(?!\d))?[\])]?[:,]?"
)
_EPOCH = re.compile(r"[\[(]?(\d{10}(?:\d{3}|\d{6}|\d{9})?(?:\.\d{1,9})?)[\])]?(?=\s)")
_KLOG = re.compile(r"(?P<level>[IWEF])(?P<month>\d\d)(?P<day>\d\d) " + _CLOCK + r"\s+\d+ [^ :\]]+:\d+\]")
_SYSLOG = re.compile(r"(?:<(?P<priority>\d{1,3})>)?" + _MONTH + r" {1,2}(?P<day>\d{1,2}) " + _CLOCK)
_SYSLOG_5424 = re.compile(r"<(?P<priority>\d{1,3})>1 (?=\d{4}-)")
_ACCESS = re.compile(
    r"\S{1,255} \S{1,255} [^\[]{0,255}\[(?P<day>\d\d)/"
    + _MONTH
    + r"/(?P<year>\d{4}):"
    + _CLOCK
    + r" (?P<zone>[+-]\d{4})\]"
)
_APACHE = re.compile(r"\[[A-Z][a-z]{2} " + _MONTH + r" (?P<day>\d\d) " + _CLOCK + r" (?P<year>\d{4})\]")
_REDIS = re.compile(r"\d+:[XCSM] (?P<day>\d\d) " + _MONTH + r" (?P<year>\d{4}) " + _CLOCK)


class Stamp:
    """At the start of a line."""

    __slots__ = ("end", "is_access", "letter", "priority", "seconds")

    def __init__(
        self,
        seconds: float | None,
        end: int,
        letter: str | None = None,
        priority: int | None = None,
        *,
        is_access: bool = False,
    ) -> None:
        self.seconds = seconds
        """None: there is none."""
        self.end = end
        """Where in the line the rest begins."""
        self.letter = letter
        """By which klog (I, W, E, F) and Redis (. - * #) say a level."""
        self.priority = priority
        """syslog's."""
        self.is_access = is_access
        """Of an access log, as nginx and Apache write it: a request and its status come next."""


_NO_STAMP = Stamp(None, 0)


def stamp_of(text: str, near: float, *, said: bool) -> Stamp:
    """Of a line without colours. `near` is when it was written, about: by it a year that is not told is found, and if
    it is what the source `said`, the zone of a local time as well, which is taken for UTC else."""
    first = text[:1]
    if first.isdecimal() or first in "[(":
        if found := _ISO.match(text):
            year, _, month, day, clock, zone = found.groups()
            seconds = _iso(f"{year}-{month}-{day}T{clock}", (zone or "").strip(), near, said=said)
            return Stamp(seconds, found.end()) if seconds is not None else _NO_STAMP
        if found := _EPOCH.match(text):
            return Stamp(_scaled(float(found[1])), found.end())
        if found := _REDIS.match(text):
            return Stamp(_of_parts(found, near, said=said), found.end(), letter=text[found.end() + 1 : found.end() + 2])
        if found := _APACHE.match(text):
            return Stamp(_of_parts(found, near, said=said), found.end())
    elif first in "IWEF" and first and text[1:5].isdecimal():
        if found := _KLOG.match(text):
            return Stamp(_of_parts(found, near, said=said), found.end(), letter=found["level"])
    elif first == "<":
        if found := _SYSLOG_5424.match(text):
            rest = stamp_of(text[found.end() : found.end() + 48], near, said=said)
            return Stamp(rest.seconds, found.end() + rest.end, priority=int(found["priority"]))
        if found := _SYSLOG.match(text):
            return Stamp(_of_parts(found, near, said=said), found.end(), priority=int(found["priority"]))
    elif text[:3] in _MONTHS and (found := _SYSLOG.match(text)):
        return Stamp(_of_parts(found, near, said=said), found.end())
    if text.find(" [", 0, 300) > 0 and (found := _ACCESS.match(text)):
        return Stamp(_of_parts(found, near, said=said), found.end(), is_access=True)
    return _NO_STAMP


def seconds_of_value(value: Any, near: float, *, said: bool) -> float | None:
    """Of a field: ISO 8601, or a number since 1970 in s, ms, us or ns, of text too. None if it is no time, as where a
    small number tells how long something took."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            if moment.tzinfo is not None:
                return _seconds(moment)
            return _in_zone(moment.replace(tzinfo=UTC), near, said=said) if len(value) > 12 else None
        if value[:1].isdecimal() and len(value) <= 32:
            try:
                return _scaled(float(value))
            except ValueError:
                return stamp_of(value, near, said=said).seconds
        return None
    if isinstance(value, dict):  # MongoDB's {"$date": …}
        return seconds_of_value(value.get("$date"), near, said=said)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _scaled(value)
    return None


def is_wrong(seconds: float, arrived: float) -> bool:
    """No clock that is right could have told it."""
    return seconds > arrived + AHEAD_SECONDS or seconds < _EARLIEST


def _scaled(number: float) -> float | None:
    if number < _SMALLEST:
        return None
    for largest, scale in ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9)):
        if number < largest:
            return number / scale
    return None


def _iso(text: str, zone: str, near: float, *, said: bool) -> float | None:
    try:
        moment = datetime.fromisoformat(text + ("Z" if zone in ("UTC", "GMT") else zone))
    except ValueError:
        return None
    return _seconds(moment) if zone else _in_zone(moment.replace(tzinfo=UTC), near, said=said)


def _of_parts(found: re.Match[str], near: float, *, said: bool) -> float | None:
    parts = found.groupdict()
    month = _MONTHS.get(parts["month"]) or int(parts["month"])
    years = [int(parts["year"])] if parts.get("year") else _years(near)
    moments = [moment for year in years if (moment := _moment(year, month, int(parts["day"]), parts["clock"]))]
    if not moments:
        return None
    if zone := parts.get("zone"):
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        seconds = moments[0].timestamp() + (60 * minutes if zone[0] == "-" else -60 * minutes)
        return seconds if 0 <= seconds <= _LATEST else None
    return _in_zone(min(moments, key=lambda moment: abs(moment.timestamp() - near)), near, said=said)


def _moment(year: int, month: int, day: int, clock: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{year:04d}-{month:02d}-{day:02d}T{clock}Z")
    except ValueError:
        return None


def _years(near: float) -> tuple[int, int, int]:
    year = datetime.fromtimestamp(near, UTC).year
    return (year, year - 1, year + 1)


def _in_zone(moment: datetime, near: float, *, said: bool) -> float | None:
    """A local time is the one that is nearest to what the source said, if it is off by a zone's width."""
    seconds = _seconds(moment)
    if seconds is None or not said:
        return seconds
    zones = round((near - seconds) / _QUARTER) * _QUARTER
    return seconds + zones if abs(zones) <= 14 * 3600 and abs(near - seconds - zones) < 60 else seconds


def _seconds(moment: datetime) -> float | None:
    seconds = moment.timestamp()
    return seconds if 0 <= seconds <= _LATEST else None
