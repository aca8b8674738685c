"""Follows what has a name, over all files that have it one after the other."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec
import structlog

from core.telemetry.log_stream.record import timestamp
from logs.collector.files.formats import Format
from logs.collector.files.tail import Identity, Tail, identity_at
from logs.records.joining import Line
from logs.records.parsing import parse_line

log = structlog.get_logger()

DONE = "done"
"""The place of a file that is read to its end and will not be written any more."""
RENAMED_SECONDS = 5.0
"""So long a renamed file may still be written: its program has to be told of it."""
MOST_BYTES_BACK = 1024 * 1024
"""Of a file that nobody has read yet: no more of its end is read."""


class Found(msgspec.Struct):
    """What was read of one file."""

    identity: Identity
    lines: list[Line]
    is_done: bool = False


class Reader:
    """One file, its tail in its format."""

    def __init__(self, tail: Tail, format_: Format) -> None:
        self.tail = tail
        self._format = format_
        self.identity: Identity | None = None
        self.not_before = 0.0
        """Lines that were written before are passed over, up to the offset `known_to`."""
        self.known_to = 0
        self.quiet_since = monotonic()
        self._budget = 0

    def read(self, most_lines: int) -> Found | None:
        """Raises OSError."""
        lines: list[Line] = []
        self._budget = min(self._budget + most_lines, most_lines)
        while self._budget > 0 and (raw_lines := self.tail.read()):
            self.quiet_since = monotonic()
            self._budget -= len(raw_lines)
            for raw in raw_lines:
                line = self._format.parse(raw)
                if line is not None and not (raw.end <= self.known_to and self._is_old(line)):
                    lines.append(line)
        self.identity = self.identity or self.tail.identity()
        return Found(self.identity or Identity(self.tail.inode, ""), lines) if lines else None

    @property
    def is_at_end(self) -> bool:
        """Of what the file has now; else the rest was more than may be read at once."""
        return self.tail.offset >= self.tail.size()

    def finish(self) -> Found:
        """What is left of it. Nobody will write it any more."""
        raw = self.tail.rest()
        line = self._format.parse(raw) if raw is not None else None
        self.identity = self.identity or self.tail.identity() or Identity(self.tail.inode, "")
        return Found(self.identity, [line] if line is not None else [], is_done=True)

    def _is_old(self, line: Line) -> bool:
        record = parse_line(line.text, "", arrived=line.arrived, said=line.said)
        return record.arrived is None and record.time < timestamp(self.not_before)


class FileFollow:
    """All of it blocks: it is called in a thread. `read` gives what there is, `lost` what may be missing."""

    def __init__(self, path: Path, format_: type[Format], places: Mapping[str, str], *, is_first_look: bool) -> None:
        """`places`: of the files that had this name, by identity. `is_first_look`: it may have been there for long."""
        self.path = path
        self._format = format_
        self._places = dict(places)
        self._is_first_look = is_first_look and not places
        self._current: Reader | None = None
        self._renamed: list[Reader] = []
        self.lost: list[str] = []
        """Identities of files that are gone and were not read to their end."""
        self._look_for_renamed()

    def read(self, most_lines: int, not_before: float) -> list[Found]:
        """Raises OSError if it cannot be read. At most about so many lines."""
        found: list[Found | None] = []
        self._notice_rotation()
        for reader in list(self._renamed):
            found.append(reader.read(most_lines))
            if reader.is_at_end and monotonic() - reader.quiet_since > RENAMED_SECONDS:
                found.append(reader.finish())
                reader.tail.close()
                self._renamed.remove(reader)
        if self._current is None:
            self._current = self._open(not_before)
        if self._current is not None:
            if self._current.tail.was_truncated():
                found.append(self._current.finish())
                self._current = Reader(self._current.tail, self._format())
            found.append(self._current.read(most_lines))
        return [each for each in found if each is not None]

    def close(self) -> None:
        for reader in (*self._renamed, *([self._current] if self._current else [])):
            reader.tail.close()

    @property
    def is_gone(self) -> bool:
        return self._current is None and not self._renamed and not self.path.exists()

    def _notice_rotation(self) -> None:
        if self._current is None:
            return
        try:
            inode = os.stat(self.path).st_ino
        except FileNotFoundError:
            inode = 0
        if inode != self._current.tail.inode:
            self._current.quiet_since = monotonic()
            self._renamed.append(self._current)
            self._current = None

    def _open(self, not_before: float) -> Reader | None:
        try:
            tail = Tail(self.path)
        except FileNotFoundError:
            return None
        identity, size = tail.identity(), tail.size()
        place = self._places.pop(str(identity), "")
        offset = 0
        if place.isdecimal() and int(place) <= size:
            offset = int(place)
        elif self._is_first_look:
            is_recent = os.stat(self.path).st_mtime >= not_before
            offset = max(0, size - MOST_BYTES_BACK) if is_recent else size
        self._forget_others()
        reader = Reader(tail, self._format())
        if offset:
            tail.close()
            reader = Reader(Tail(self.path, offset), self._format())
        if self._is_first_look:
            reader.not_before, reader.known_to = not_before, size
        self._is_first_look = False
        return reader

    def _look_for_renamed(self) -> None:
        """Those that had the name when somebody read them last, and have another by now."""
        unread = {identity: place for identity, place in self._places.items() if place.isdecimal()}
        here = str(identity_at(self.path))
        if not unread.keys() - {here}:
            return
        siblings = sorted(self.path.parent.glob(f"{_escaped(self.path.stem)}*"), key=_written_at)
        for sibling in siblings:
            with suppress(OSError):  # one that cannot be read is none of them
                identity = str(identity_at(sibling))
                if identity != here and identity in unread:
                    self._renamed.append(Reader(Tail(sibling, int(unread[identity])), self._format()))
                    del self._places[identity]

    def _forget_others(self) -> None:
        self.lost += [identity for identity, place in self._places.items() if place != DONE]
        self._places.clear()


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
