"""logfmt, `level=info msg="all is well" n=3`, and the pairs at the end of structlog's lines for people."""

import re
from typing import Any

from logs.records.escapes import without_colours

_PAIR = re.compile(r'([A-Za-z_@][\w.@/-]{0,99}+)=(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*+))(?:\s++|$)')
_REPR_PAIR = re.compile(
    r"([A-Za-z_][\w.]{0,99}+)=('(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\"|\[[^\[\]]*+\]|\{[^{}]*+\}|[^\s'\"]++)(?:\s++|$)"
)
_CONSOLE = re.compile(r" ?\[(?:debug|info|warning|error|critical|exception) *\] ")
_PLAIN = {"level", "lvl", "severity", "msg", "message", "time", "ts", "timestamp"}
"""A line of pairs that has one of them is logfmt for sure."""
_ENOUGH = 3
"""Pairs, and nothing else, for one that has none of them."""
_MOST = 200
_MOST_CHARACTERS = 8000
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\n"}


def pairs_of(text: str) -> dict[str, Any] | None:
    """None unless the whole line is logfmt: a URL with `=` in it is not."""
    equals = text.find("=", 0, 101)
    if equals < 1 or not text[:equals].isidentifier() or "\n" in text:
        return None
    fields: dict[str, Any] = {}
    position, most = 0, len(text)
    while position < most:
        found = _PAIR.match(text, position)
        if found is None or len(fields) >= _MOST:
            return None
        key, quoted, bare = found.groups()
        fields[key] = bare if quoted is None else _unescaped(quoted)
        position = found.end()
    return fields if len(fields) >= _ENOUGH or (len(fields) > 1 and not _PLAIN.isdisjoint(fields)) else None


def pairs_behind(text: str, start: int) -> dict[str, Any]:
    """What structlog's ConsoleRenderer writes behind the event, in the first line. Empty if it is no line of its."""
    line = without_colours(text[:_MOST_CHARACTERS].partition("\n")[0])
    if not (found := _CONSOLE.match(line, start)) and not (found := _CONSOLE.match(line)):
        return {}
    fields: dict[str, Any] = {}
    for pair in _REPR_PAIR.finditer(line, found.end()):
        key, value = pair.groups()
        fields[key] = value[1:-1] if value[0] in "'\"" else value
    return fields


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text
