"""One line of a log, as it travels and is kept: JSON with a time, a level, a service, a message and fields."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import msgspec

Level = Literal["trace", "debug", "info", "warning", "error", "critical"]
LEVELS: tuple[str, ...] = get_args(Level)
"""From the least to the worst."""

LINES = "logs"
ERRORS = "logs:errors"
METRICS = "logs:metrics"
DEBUG = "logs:debug"
"""Channels; any other is `logs:` and a word."""


class Record(msgspec.Struct, omit_defaults=True):
    time: str
    """RFC 3339, in UTC, by the clock of whoever said it: 2026-11-29T20:57:01.123456Z."""
    service: str
    message: str
    """May have several lines, as with a stack trace, and SGR sequences for colours; no other control character but
    tabs."""
    level: Level | None = None
    """None: nobody can tell."""
    fields: dict[str, Any] = {}
    """What else the line said. `session_id` and `request_id` can be asked for."""
    cut: int = 0
    """So many bytes of it were left out: it was too long."""
    arrived: str | None = None
    """When it came, where its own `time` cannot be true, or where it had none."""


Put = Callable[[str, bytes], None]
"""Sends a line: its channel, and its record encoded."""

_encoder = msgspec.json.Encoder(enc_hook=str)


def encode_record(record: Record) -> bytes:
    """JSON on one line, `{"time":…`. What JSON has no word for becomes a text, half a character U+FFFD."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(record, enc_hook=str), ensure_ascii=False, separators=(",", ":"))
        return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()


def timestamp(seconds: float) -> str:
    """Of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def channel_of(level: Level | None) -> str:
    """Where a line of this level belongs."""
    if level in ("error", "critical"):
        return ERRORS
    return DEBUG if level in ("trace", "debug") else LINES
