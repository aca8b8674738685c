"""Sends this process's own log lines to the stream, beside where they go anyway."""

from time import time
from typing import Any, get_args

import structlog

from core.telemetry.log_stream.record import Level, Put, Record, channel_of, encode_record, timestamp

_LEVELS: dict[str, Level] = {level: level for level in get_args(Level)} | {"exception": "error", "warn": "warning"}
_PASSED_OVER = frozenset({"event", "level", "service", "timestamp", "_record", "_from_structlog", "exc_info"})


class LogTap:
    """A processor of structlog: looks at each line, and changes none. Comes after what adds ids, level and origin."""

    def __init__(self, put: Put) -> None:
        self._put = put

    def __call__(self, logger: object, name: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        level = _LEVELS.get(str(line.get("level")))
        record = Record(timestamp(time()), str(line.get("service", "")), _message(logger, name, line), level)
        record.fields = {key: value for key, value in line.items() if key not in _PASSED_OVER}
        self._put(channel_of(level), encode_record(record))
        return line


def _message(logger: Any, name: str, line: structlog.typing.EventDict) -> str:
    """With the stack trace of an exception, if there is one."""
    text = str(line.get("event", ""))
    if line.get("exc_info"):
        trace = structlog.processors.format_exc_info(logger, name, dict(line)).get("exception")
        return f"{text}\n{trace}" if trace else text
    return text
