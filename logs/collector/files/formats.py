"""What the lines of a file are: a program's own, or those that a container runtime has wrapped."""

from time import time
from typing import Protocol

from logs.collector.files.tail import RawLine
from logs.collector.resuming import NANOSECONDS, nanoseconds
from logs.records.joining import Line, Pieces


class Format(Protocol):
    """Of one file."""

    def parse(self, raw: RawLine) -> Line | None:
        """None as long as a line is not whole. Its place is an offset, or None where reading cannot begin behind it."""


class Plain:
    def parse(self, raw: RawLine) -> Line | None:
        return Line(raw.text, time(), None, raw.cut, str(raw.end))


class Cri:
    """`<RFC 3339> stdout|stderr F|P text`, as Kubernetes' runtimes and Podman write it: P is a part, F the last one.
    Other lines are taken as they are, such as Docker's own JSON."""

    def __init__(self) -> None:
        self._parts: dict[str, Pieces] = {}
        self._said: dict[str, int] = {}

    def parse(self, raw: RawLine) -> Line | None:
        stamp, _, rest = raw.text.partition(" ")
        stream, _, rest = rest.partition(" ")
        tags, _, text = rest.partition(" ")
        ns = nanoseconds(stamp) if stream in ("stdout", "stderr") and tags[:1] in ("F", "P") else None
        if ns is None:
            return Line(raw.text, time(), None, raw.cut, str(raw.end))
        parts = self._parts.setdefault(stream, Pieces())
        said = self._said.setdefault(stream, ns) if parts else ns
        self._said[stream] = said
        parts.add(text.encode())
        if tags[0] == "P":
            return None
        joined, cut = parts.take()
        is_between = any(self._parts.values())
        return Line(joined, time(), said / NANOSECONDS, raw.cut + cut, None if is_between else str(raw.end))
