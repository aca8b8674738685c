"""How bad a line is: by the words, letters and numbers that loggers say it with."""

import math
from typing import Any

from core.telemetry.log_stream.record import Level

_WORDS: dict[str, Level] = {
    **dict.fromkeys(("trace", "trce", "trc", "verbose", "vrb", "finest", "finer", "silly", "t"), "trace"),
    **dict.fromkeys(("debug", "dbug", "dbg", "fine", "debug1", "debug2", "debug3", "debug4", "debug5", "d"), "debug"),
    **dict.fromkeys(("info", "information", "informational", "inf", "notice", "log", "hint", "statement"), "info"),
    **dict.fromkeys(("config", "system", "success", "i", "n"), "info"),
    **dict.fromkeys(("warning", "warn", "wrn", "warnning", "w"), "warning"),
    **dict.fromkeys(("error", "err", "erro", "severe", "fail", "failure", "exception", "e"), "error"),
    **dict.fromkeys(("critical", "crit", "fatal", "ftl", "panic", "dpanic", "alert", "emerg", "emergency"), "critical"),
    **dict.fromkeys(("f", "c", "crt"), "critical"),
}
"""Whatever a field called level says; lower case."""
_HEADED: dict[str, Level] = {word.upper(): level for word, level in _WORDS.items() if len(word) > 2}
for _doubtful in ("FINE", "HINT", "CONFIG", "SYSTEM", "SUCCESS", "STATEMENT", "FAIL", "FAILURE", "EXCEPTION", "SILLY"):
    del _HEADED[_doubtful]
"""Words that are a level where they stand in capitals among the first of a line."""
_BRACKETED: dict[str, Level] = {word: level for word, level in _WORDS.items() if len(word) > 2} | {
    word.upper(): level for word, level in _WORDS.items() if len(word) > 2
}
_BRACKETED |= {word.capitalize(): level for word, level in _WORDS.items() if len(word) > 2}
_BEFORE_COLON = {
    word: level for word, level in _BRACKETED.items() if word.lower() not in ("fine", "log", "system", "config", "hint")
}
LEVEL_OF_LETTER: dict[str, Level] = {
    "I": "info",
    "W": "warning",
    "E": "error",
    "F": "critical",  # klog
    ".": "debug",
    "-": "debug",
    "*": "info",
    "#": "warning",  # Redis
}
_PINO: dict[int, Level] = {10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
_PYTHON: dict[int, Level] = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_SYSLOG: tuple[Level, ...] = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")
_OTEL: tuple[Level, ...] = ("trace", "debug", "info", "warning", "error", "critical")

_HEAD = 200
"""Characters of a line among which its level is looked for."""
_HEAD_WORDS = 6
_TRACES = ("Traceback (most recent call last)", "Exception in thread ", "Unhandled exception", "Uncaught ")
_TRACES_OF_THE_END = ("panic: ", "fatal error: ")


def level_of_value(value: Any, key: str = "level") -> Level | None:
    """Of a field: a word; pino's and bunyan's 10..60, or Python's where it is called levelno; OpenTelemetry's 1..24
    where it is a severity number; syslog's 0..7 else."""
    if isinstance(value, str):
        if (level := _WORDS.get(value)) is not None:
            return level
        word = value.strip().lower()
        return level_of_value(int(word), key) if word.isdecimal() and len(word) <= 3 else _WORDS.get(word)
    if isinstance(value, dict):  # as Logstash and Winston nest it
        return level_of_value(value.get("name") or value.get("level"), key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    if key == "levelno":
        return _PYTHON.get(round(value))
    if "number" in key.lower():
        return _OTEL[int(value - 1) // 4] if 1 <= value <= 24 else None
    if 0 <= value <= 7:
        return _SYSLOG[int(value)]
    return _PINO.get(int(value // 10) * 10)


def level_of_priority(priority: int) -> Level:
    """Of syslog's <n> (RFC 5424, 6.2.1)."""
    return _SYSLOG[priority % 8]


def level_of_text(text: str, start: int, *, has_time: bool) -> Level | None:
    """Of a line without colours, from behind its time on. Only where loggers put it: a word in capitals or in brackets
    among its first few, or one with a colon right at its start."""
    words = text[start : start + _HEAD].split(None, _HEAD_WORDS)
    if not words:
        return None
    first = words[0]
    if (level := _level_of_first(first)) is not None:
        return level
    for word in words[1:_HEAD_WORDS]:
        if (level := _level_of_headed(word, has_time=has_time)) is not None:
            return level
        if not has_time and word[0] not in "[(<|-" and word[-1] not in "])>|:-":
            break  # prose
    rest = text[start : start + 60]
    if rest.startswith(_TRACES):
        return "error"
    return "critical" if rest.startswith(_TRACES_OF_THE_END) else None


def _level_of_first(word: str) -> Level | None:
    if (level := _HEADED.get(word)) is not None:
        return level
    bare = word.strip("[]()<>|:,-{}")
    if bare in _HEADED:
        return _HEADED[bare]
    for mark in ("]", ":", "/", "|", ")"):  # [INFO][name], INFO:root:, INFO/MainProcess, error:
        head = bare.partition(mark)[0].rstrip()
        if head != bare and head in _HEADED:
            return _HEADED[head]
    if word[0] in "[<(|":
        return _BRACKETED.get(bare) or _BRACKETED.get(bare.rpartition(":")[2])  # [core:error]
    if ":" in word:
        head = word.partition(":")[0]
        return _BEFORE_COLON.get(head) or ("error" if head.endswith(("Error", "Exception")) else None)
    return None


def _level_of_headed(word: str, *, has_time: bool) -> Level | None:
    if has_time and (level := _HEADED.get(word)) is not None:
        return level
    bare = word.strip("[]()<>|:,-")
    if word[0] in "[<(|" or word[-1] in "]|":
        return _BRACKETED.get(bare)
    if bare in _HEADED:
        return _HEADED[bare]
    head = bare.partition("/")[0]
    return _HEADED.get(head) if head != bare else None
