"""One open file, read on and on, whatever it is called by now."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import msgspec

from logs.records.joining import Pieces

CHUNK = 256 * 1024
_HEAD = 256
"""Bytes by which a file is told from another that has its inode: its first line, or so much of it."""


class Identity(msgspec.Struct, frozen=True):
    inode: int
    mark: str
    """Of its first line."""

    def __str__(self) -> str:
        return f"{self.inode}:{self.mark}"


class RawLine(msgspec.Struct):
    text: str
    cut: int
    end: int
    """Offset behind it."""


class Tail:
    """`read` until it gives nothing; `close`."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """`offset`: where a line begins; or not, then the rest of that one is passed over. Raises OSError."""
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self._fd)
            raise OSError(errno.EINVAL, "not a file", str(path))
        self.inode = found.st_ino
        self._pieces = Pieces()
        self._offset = offset
        self._head = b""
        self._is_within_a_line = offset > 0 and os.pread(self._fd, 1, offset - 1) != b"\n"

    @property
    def offset(self) -> int:
        return self._offset

    def identity(self) -> Identity | None:
        """None as long as its first line is not whole."""
        return identity_of(self._fd, self.inode)

    def was_truncated(self) -> bool:
        """Or written anew from its beginning. What comes next is read from there. Raises OSError."""
        head = os.pread(self._fd, len(self._head), 0) if self._head else b""
        if os.fstat(self._fd).st_size >= self._offset and head == self._head:
            return False
        self._offset = 0
        self._head = b""
        self._is_within_a_line = False
        return True

    def read(self) -> list[RawLine]:
        """The next lines that are whole. Empty at the end, for now. Raises OSError."""
        lines: list[RawLine] = []
        while not lines and (data := os.pread(self._fd, CHUNK, self._offset)):
            if len(self._head) < _HEAD:
                self._head = os.pread(self._fd, min(_HEAD, self._offset + len(data)), 0)
            end = self._offset
            self._offset += len(data)
            parts = data.split(b"\n")
            for part in parts[:-1]:
                end += len(part) + 1
                self._pieces.add(part)
                text, cut = self._pieces.take()
                if not self._is_within_a_line:
                    lines.append(RawLine(text.removesuffix("\r"), cut, end))
                self._is_within_a_line = False
            self._pieces.add(parts[-1])
        return lines

    def rest(self) -> RawLine | None:
        """A last line without an end that nobody will write any more."""
        if not self._pieces:
            return None
        text, cut = self._pieces.take()
        return None if self._is_within_a_line else RawLine(text, cut, self._offset)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        os.close(self._fd)


def identity_of(fd: int, inode: int) -> Identity | None:
    head = os.pread(fd, _HEAD, 0)
    line, found, _ = head.partition(b"\n")
    if not found and len(head) < _HEAD:
        return None
    return Identity(inode, hashlib.blake2b(line, digest_size=8).hexdigest())


def identity_at(path: Path) -> Identity | None:
    """None if it is none, or cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return identity_of(fd, os.fstat(fd).st_ino)
    except OSError:
        return None
    finally:
        os.close(fd)
