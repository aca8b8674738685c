"""What a log line may hold: text, tabs, line ends, and sequences that colour it (SGR). A terminal obeys far more."""

import re
from typing import Any

_UNWANTED = re.compile(
    r"""
    (?P<kept>\x1b\[[0-9;:]{0,64}m)                          # SGR
    | [\x1b\x9b] (?:(?<=\x9b)|\[) [0-?]*+ [ -/]*+ [@-~]     # CSI: moves the cursor, sets modes
    | (?:\x1b\]|\x9d) [^\x07\x1b\x90\x98\x9b-\x9f]{0,4096}+ (?:\x07|\x1b\\|\x9c)  # OSC: titles, links, the clipboard
    | (?:\x1b[PX^_]|[\x90\x98\x9e\x9f]) [^\x07\x1b\x90\x98\x9b-\x9f]{0,4096}+ (?:\x1b\\|\x9c)  # DCS, SOS, PM, APC
    | \x1b [ -/]*+ [0-~]
    | (?P<end>\r\n?)
    | (?P<bidi>[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])
    | (?P<surrogate>[\ud800-\udfff])
    | [\x00-\x08\x0b-\x1f\x7f-\x9f]
    """,
    re.VERBOSE,
)
"""ECMA-48, 5th edition; and Unicode's controls of direction, by which a line can read as what it is not."""
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
DEEPEST = 24
"""Of nested fields; what is below becomes text."""


def clean(text: str) -> str:
    """Without any control character but tab, line feed and SGR. Never longer than five times as long."""
    if text.isprintable():
        return text
    return _UNWANTED.sub(_replacement, text)


def clean_value(value: Any, depth: int = 0) -> Any:
    """The same for all that is in a value of JSON, keys too."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return f"({len(value)} more)"
    if isinstance(value, dict):
        return {clean(key): clean_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_value(item, depth + 1) for item in value]
    return value


def without_colours(text: str) -> str:
    return _SGR.sub("", text) if "\x1b" in text else text


def _replacement(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "kept":
            return found[0]
        case "end":
            return "\n"
        case "bidi":
            return f"<U+{ord(found[0]):04X}>"
        case "surrogate":
            return "\ufffd"
    return ""
