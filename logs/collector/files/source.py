"""Files that match patterns, looked at again and again: that works on every file system, without a limit of watches."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from glob import iglob
from itertools import islice
from pathlib import Path
from time import monotonic, time

import msgspec
import structlog

from logs.collector.files.following import DONE, FileFollow, Found
from logs.collector.files.formats import Format, Plain
from logs.collector.files.tail import identity_at
from logs.collector.intake import Intake
from logs.collector.sender import Sender
from logs.records.joining import Line

log = structlog.get_logger()

POLL_SECONDS = 0.2
GLOB_SECONDS = 1.0
MOST_FILES = 2000
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


class About(msgspec.Struct):
    """What is known of a file by its path."""

    service: str
    fields: dict[str, str]
    format: type[Format]
    is_service_sure: bool


Describe = Callable[[Path], About | None]
"""None: it is not to be followed."""


class FileSource:
    """`run` is a task."""

    def __init__(
        self,
        name: str,
        patterns: Sequence[str],
        describe: Describe,
        sender: Sender,
        places: Mapping[str, str],
        *,
        hours: float,
        lines_per_second: float,
        machine: str = "",
    ) -> None:
        """`machine`: whose files they are, where another's may have the same path."""
        self._machine = machine
        places = {source: place for source, place in places.items() if source.startswith(f"file:{machine}")}
        self.name = name
        self.problem: str | None = None
        self._patterns = patterns
        self._describe = describe
        self._sender = sender
        self._places = dict(places)
        """Of before; each is used once."""
        self._not_before = max(0.0, time() - hours * 3600)
        self._most_lines = max(1, int(lines_per_second * POLL_SECONDS))
        self._follows: dict[Path, tuple[FileFollow, About]] = {}
        self._intakes: dict[str, Intake] = {}
        self._looked_at = -GLOB_SECONDS
        self._is_first_look = True
        self._unreadable: dict[Path, str] = {}
        self._names = {
            identity: source for source in places for _, is_file, identity in (source.rpartition("#"),) if is_file
        }
        """By identity: under which name a file is, or was, read."""

    async def run(self) -> None:
        try:
            while True:
                await self._sender.room()
                for path, about, found in await asyncio.to_thread(self._read):
                    self._take(path, about, found)
                self._tell_lost()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for intake in self._intakes.values():
                intake.close()
            for follow, _ in self._follows.values():
                follow.close()

    def _take(self, path: Path, about: About, found: Found) -> None:
        source = f"{self._prefix(path)}{found.identity}"
        self._names[str(found.identity)] = source
        intake = self._intakes.get(source)
        if intake is None:
            fields = about.fields | {"file": str(path)}
            intake = self._intakes[source] = Intake(
                self._sender, source, about.service, fields, is_service_sure=about.is_service_sure
            )
        for line in found.lines:
            intake.take(line)
        if found.is_done:
            intake.close()
            self._sender.put([], source, DONE)
            del self._intakes[source]

    def _tell_lost(self) -> None:
        for path, (follow, about) in self._follows.items():
            for identity in follow.lost:
                source = f"{self._prefix(path)}{identity}"
                intake = Intake(self._sender, source, about.service, about.fields | {"file": str(path)})
                text = "a rotated file was gone, or packed, before it was read to its end: lines may be missing here"
                intake.say(text, "warning", Line("", time(), place=DONE), event="rotated")
            follow.lost.clear()

    def _read(self) -> list[tuple[Path, About, Found]]:
        """In a thread: disks may be slow."""
        if monotonic() - self._looked_at >= GLOB_SECONDS:
            self._look()
        read: list[tuple[Path, About, Found]] = []
        for path, (follow, about) in list(self._follows.items()):
            try:
                read += [(path, about, found) for found in follow.read(self._most_lines, self._not_before)]
                self._unreadable.pop(path, None)
            except OSError as error:
                self._note_unreadable(path, error)
            if follow.is_gone:
                follow.close()
                del self._follows[path]
        self.problem = next(iter(self._unreadable.values()), None)
        return read

    def _look(self) -> None:
        passed_over = _own_output() | {_file_at(path) for path in self._follows}
        for pattern in self._patterns:
            for name in islice(iglob(pattern, recursive=True), MOST_FILES):
                path = Path(name).absolute()
                file = _file_at(path)
                if path in self._follows or file is None or file in passed_over or name.endswith(_PACKED):
                    continue
                if len(self._follows) >= MOST_FILES or self._is_another(path):
                    continue
                if (about := self._describe(path)) is not None:
                    self._follow(path, about)
                    passed_over.add(file)
        self._looked_at = monotonic()
        self._is_first_look = False

    def _is_another(self, path: Path) -> bool:
        """It was followed under the name that it had before, or its first line is not there yet to tell."""
        identity = identity_at(path)
        return identity is None or not self._names.get(str(identity), self._prefix(path)).startswith(self._prefix(path))

    def _follow(self, path: Path, about: About) -> None:
        prefix = self._prefix(path)
        known = [source for source in self._places if source.startswith(prefix)]
        places = {source.removeprefix(prefix): self._places.pop(source) for source in known}
        try:
            follow = FileFollow(path, about.format, places, is_first_look=self._is_first_look)
        except OSError as error:
            self._places |= {f"{prefix}{identity}": place for identity, place in places.items()}  # for the next look
            self._note_unreadable(path, error)
            return
        self._follows[path] = (follow, about)

    def _prefix(self, path: Path) -> str:
        return f"file:{self._machine}{path}#"

    def _note_unreadable(self, path: Path, error: OSError) -> None:
        if path not in self._unreadable:
            log.warning("cannot read a file", action="files.unreadable", file=str(path), error=str(error))
        self._unreadable[path] = f"cannot read {path}: {error.strerror}"


def describe_file(path: Path) -> About:
    """Its service is its name up to the first dot, unless its lines say better."""
    return About(path.name.lstrip(".").partition(".")[0] or path.name, {}, Plain, is_service_sure=False)


def _file_at(path: Path) -> tuple[int, int] | None:
    """None if it is no regular file."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino) if path.is_file() else None


def _own_output() -> set[tuple[int, int] | None]:
    """Following that, each line would make the next."""
    return {_file_at(Path(f"/dev/fd/{fd}")) for fd in (1, 2)} - {None}
