"""A line, of whichever program, becomes a Record: once, where it comes in."""

import json
from typing import Any

import msgspec

from core.telemetry.log_stream.record import Level, Record, timestamp
from logs.records.escapes import DEEPEST, clean, clean_value, without_colours
from logs.records.levels import LEVEL_OF_LETTER, level_of_priority, level_of_text
from logs.records.objects import Meaning, meaning_of
from logs.records.pairs import pairs_behind, pairs_of
from logs.records.times import Stamp, is_wrong, seconds_of_value, stamp_of

MOST_BYTES = 256 * 1024
"""Of a line; what is more is cut."""

_decoder = msgspec.json.Decoder()
_DOCKERS_OWN = {"log", "stream", "time", "attrs"}
_ACCESS_LINE = '" '
"""Ends the request in an access log; the status comes next."""


def parse_line(text: str, service: str, *, arrived: float, said: float | None = None, cut: int = 0) -> Record:
    """`service`: where it is from, unless the line itself names one. `arrived` and `said` in seconds since 1970: when
    it came, and when its source says that it was written; a time in the line goes before that. `cut`: so many of its
    bytes are missing already. A stack trace may have its lines in one. Never raises: a
    line that breaks the parser is shown as a text."""
    try:
        return _parse(text, service, arrived, said, cut)
    except (ValueError, ArithmeticError, RecursionError, TypeError, LookupError):
        text, more = _shortened(text)
        record = _timed(None, service, clean(text), arrived, said)
        record.cut = cut + more
        return record


def _parse(text: str, service: str, arrived: float, said: float | None, cut: int) -> Record:
    text, more = _shortened(text)
    if text[-1:] in ("\n", "\r"):
        text = text.rstrip("\r\n")
    if (found := _object_in(text)) is not None:
        values, prefix = found
        if not prefix and "log" in values and values.keys() <= _DOCKERS_OWN and isinstance(values["log"], str):
            written = seconds_of_value(values.get("time"), arrived, said=False)
            return _parse(values["log"], service, arrived, written or said, cut + more)
        return _of_object(values, prefix, text, service, arrived, said, cut + more)
    text = clean(text)
    if (pairs := pairs_of(text)) is not None:
        return _of_object(pairs, "", text, service, arrived, said, cut + more)
    return _of_text(text, service, arrived, said, cut + more)


def _of_text(text: str, service: str, arrived: float, said: float | None, cut: int) -> Record:
    head = without_colours(text[:1000])
    stamp = stamp_of(head, said or arrived, said=said is not None)
    record = _timed(stamp.seconds, service, text, arrived, said)
    record.level = _level(head, stamp)
    record.cut = cut
    if "=" in text and stamp.seconds is not None and (fields := pairs_behind(text, stamp.end)):
        meaning = meaning_of(fields)
        record.service = meaning.service or service
        record.fields = fields if meaning.message is None else fields | {"message": meaning.message}
    return record


def _of_object(
    values: dict[str, Any], prefix: str, text: str, service: str, arrived: float, said: float | None, cut: int
) -> Record:
    """`prefix`: what stands before the object in the line."""
    meaning = meaning_of(values)
    level = meaning.level
    seconds = None
    if meaning.time_key is not None:
        seconds = seconds_of_value(values[meaning.time_key], said or arrived, said=said is not None)
        if seconds is not None:
            del values[meaning.time_key]
    if prefix:
        head = without_colours(prefix[:1000])
        stamp = stamp_of(head, said or arrived, said=said is not None)
        seconds = stamp.seconds if seconds is None else seconds
        level = level or _level(head, stamp)
    message = _message(meaning, prefix, text)
    record = _timed(seconds, meaning.service or service, message, arrived, said)
    record.level = level
    record.fields = values
    record.cut = cut
    return record


def _message(meaning: Meaning, prefix: str, text: str) -> str:
    if meaning.message is None:
        return prefix or text
    return f"{prefix} {meaning.message}" if prefix else meaning.message


def _timed(seconds: float | None, service: str, message: str, arrived: float, said: float | None) -> Record:
    if seconds is None:
        seconds = said
    if seconds is None:
        came = timestamp(arrived)
        return Record(came, service, message, arrived=came)
    if is_wrong(seconds, arrived):
        return Record(timestamp(seconds), service, message, arrived=timestamp(arrived))
    return Record(timestamp(seconds), service, message)


def _level(head: str, stamp: Stamp) -> Level | None:
    if stamp.letter in LEVEL_OF_LETTER:
        return LEVEL_OF_LETTER[stamp.letter]
    if stamp.priority is not None:
        return level_of_priority(stamp.priority)
    if stamp.is_access and (level := _level_of_status(head, stamp.end)) is not None:
        return level
    return level_of_text(head, stamp.end, has_time=stamp.seconds is not None)


def _level_of_status(head: str, start: int) -> Level | None:
    """Of an access log."""
    end = head.find(_ACCESS_LINE, start)
    status = head[end + 2 : end + 5]
    if end < 0 or not status.isdecimal():
        return None
    return "error" if status >= "500" else "warning" if status >= "400" else "info"


def _object_in(text: str) -> tuple[dict[str, Any], str] | None:
    """An object of JSON that ends the line, clean, and what is before it."""
    if text[-1:] != "}":
        return None
    start = 0 if text[0] == "{" else text.find('{"')
    if start < 0:
        return None
    try:
        values = _decoder.decode(text[start:] if start else text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        values = _lenient(text[start:])
    if not isinstance(values, dict) or not values:
        return None
    if "\\" in text or not text.isprintable() or text.count("[") + text.count("{") > DEEPEST:
        values = clean_value(values)
    return values, clean(text[:start].rstrip()) if start else ""


def _lenient(text: str) -> Any:
    """Python writes NaN, which JSON does not have."""
    if "NaN" not in text and "Infinity" not in text:
        return None
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def _shortened(text: str) -> tuple[str, int]:
    """And how many bytes that took away."""
    if len(text) <= MOST_BYTES // 4:
        return text, 0
    whole = text.encode("utf-8", "replace")
    if len(whole) <= MOST_BYTES:
        return text, 0
    return whole[:MOST_BYTES].decode("utf-8", "ignore"), len(whole) - MOST_BYTES
