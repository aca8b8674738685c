"""Where in a stream of lines with times one has been, so that whoever reads it again passes over what he had."""

from datetime import datetime
from functools import lru_cache

NANOSECONDS = 1_000_000_000
OVERLAP_NS = NANOSECONDS
"""One reads again from so much earlier: the times of two streams of one container go back by some milliseconds."""


class Resuming:
    """A place is the last line's time in nanoseconds, and how many lines with that very time there have been."""

    def __init__(self, place: str | None, slack_ns: int = 0) -> None:
        """`slack_ns`: by so much the times may go back within the stream."""
        self._slack_ns = slack_ns
        self.last_ns, self._count = _parsed(place)
        self._left = 0
        self._is_passing = False
        self.begin()

    def begin(self) -> None:
        """The stream is read anew, from `last_ns` - OVERLAP_NS on or before."""
        self._left = self._count
        self._is_passing = self._count > 0

    def is_new(self, ns: int) -> bool:
        """Called for each line, in order. One that is new counts as read."""
        if self._is_passing:
            if ns == self.last_ns:
                self._left -= 1
                self._is_passing = self._left > 0
                return False
            if ns <= self.last_ns + self._slack_ns:
                return False
            self._is_passing = False  # what one had last is there no more
        self._count = self._count + 1 if ns == self.last_ns else 1
        self.last_ns = ns
        return True

    @property
    def place(self) -> str:
        return f"{self.last_ns} {self._count}"


def nanoseconds(stamp: str) -> int | None:
    """Since 1970, of RFC 3339 with any number of decimals. None if it is something else."""
    digits = stamp[20:-1] if stamp[-1:] == "Z" and stamp[19:20] == "." else None
    if digits is not None and digits.isdecimal() and len(digits) <= 9:
        seconds = _seconds(stamp[:19] + "Z")
        return None if seconds is None else seconds * NANOSECONDS + int(digits.ljust(9, "0"))
    head, dot, rest = stamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    seconds = _seconds(head + rest[len(digits) :] if dot else stamp)
    if seconds is None or len(digits) > 9:
        return None
    return seconds * NANOSECONDS + int(digits.ljust(9, "0"))


def since_of(ns: int) -> str:
    """For Docker: a float would not hold it."""
    ns = max(ns, 0)
    return f"{ns // NANOSECONDS}.{ns % NANOSECONDS:09d}"


@lru_cache(maxsize=256)
def _seconds(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.tzinfo is not None and moment.year > 1970 else None


def _parsed(place: str | None) -> tuple[int, int]:
    ns, _, count = (place or "").partition(" ")
    return (int(ns), int(count)) if ns.isdecimal() and count.isdecimal() else (0, 0)
