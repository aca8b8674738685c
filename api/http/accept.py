"""Accept headers (RFC 9110, 12.5.1): what a client takes, and how gladly."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_RANGE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_PARAMETER = re.compile(r'([^;=\s"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s"]*)')


class Range(NamedTuple):
    media_type: str
    """In lower case; perhaps `*/*` or `text/*`."""
    parameters: Mapping[str, str]
    """Names and values in lower case, without the weight."""
    weight: float
    """0 refuses."""

    def matches(self, media_type: str) -> int:
        """How exactly: 0 is not at all."""
        if self.media_type == media_type:
            return 3
        kind, _, subtype = self.media_type.partition("/")
        if subtype != "*":
            return 0
        return 1 if kind == "*" else 2 * media_type.startswith(f"{kind}/")


class Wish(NamedTuple):
    """Compared, the greater is the more welcome: by weight, and among equals by the order in the header."""

    weight: float
    minus_place: int


class Accept:
    def __init__(self, headers: Sequence[str]) -> None:
        """A header that came several times is one list (RFC 9110, 5.3)."""
        self.ranges = [_range(text) for text in _RANGE.findall(",".join(headers)) if text.strip()]

    def wish(self, media_type: str, **parameters: str) -> Wish | None:
        """None where the client does not take it. A range that has one of these parameters with another value does not
        match, one that has it with this value is more exact; parameters that are not named here tell nothing."""
        found: tuple[int, Wish] | None = None
        for place, each in enumerate(self.ranges):
            exactness = each.matches(media_type)
            named = [name for name in parameters if name in each.parameters]
            if not exactness or any(each.parameters[name] != parameters[name] for name in named):
                continue
            exactness += len(named)
            if found is None or exactness > found[0]:
                found = exactness, Wish(each.weight, -place)
        return None if found is None or not found[1].weight else found[1]


def _range(text: str) -> Range:
    media_type, _, rest = text.strip().partition(";")
    parameters = {name.lower(): value.strip('"').lower() for name, value in _PARAMETER.findall(rest)}
    return Range(media_type.strip().lower(), parameters, _weight(parameters.pop("q", "1")))


def _weight(text: str) -> float:
    """1 where it is no number."""
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0
