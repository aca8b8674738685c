"""A folder of agents' files on disk: what is read is a plain file of that folder and nothing else, and what is written
is there whole or not at all. All of it waits for the disk: for threads.

A file may be swapped for another one between any two looks at it. So each is opened by its name within the folder that
is open already, without following a link, and what was opened is what is looked at.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

LOCK_SECONDS = 10.0
"""Whoever holds the lock writes one file."""
LOCK_POLL_SECONDS = 0.01

_NEW = ".new"
"""What is being written. There is one at most, for it is written under the lock."""
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # so that a FIFO does not wait for its writer
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL
_NO_FILE = {errno.ELOOP: "it is a link", errno.ENXIO: "it is no file", errno.EACCES: "it may not be opened"}


class NoPlainFile(Exception):
    """What stands under a name is not for us to read; says why."""


class State(NamedTuple):
    """By which a changed file is told from an unchanged one."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class Folder:
    """One that is open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def names(self) -> list[str]:
        """Of whatever is in it, but for what is hidden."""
        return [name for name in os.listdir(self._descriptor) if not name.startswith(".")]

    def state(self, name: str) -> State | None:
        """None where there is nothing of this name."""
        try:
            return _state_of(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False))
        except FileNotFoundError:
            return None

    def read(self, name: str, most: int) -> tuple[bytes, State] | None:
        """Up to one byte more than `most`; None where there is nothing of this name. Raises NoPlainFile."""
        try:
            file = os.open(name, _READ, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise NoPlainFile(_NO_FILE[error.errno]) from error
        try:
            found = os.fstat(file)
            _check(found)
            return _read_all(file, most + 1), _state_of(found)
        finally:
            os.close(file)

    def replace(self, name: str, data: bytes) -> None:
        """With the permissions of the file that was there."""
        with suppress(FileNotFoundError):  # of a process that was killed while it wrote
            os.unlink(_NEW, dir_fd=self._descriptor)
        try:
            self._write(name, data)
        except BaseException:
            with suppress(OSError):
                os.unlink(_NEW, dir_fd=self._descriptor)
            raise
        os.fsync(self._descriptor)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
        os.fsync(self._descriptor)

    def lock(self) -> None:
        """Until it is closed. Raises TimeoutError."""
        deadline = monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if monotonic() > deadline:
                    raise TimeoutError(errno.ETIMEDOUT, "another process is writing to it for too long") from None
                sleep(LOCK_POLL_SECONDS)
            else:
                return

    def _write(self, name: str, data: bytes) -> None:
        file = os.open(_NEW, _WRITE, 0o666, dir_fd=self._descriptor)
        try:
            with suppress(FileNotFoundError):
                before = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
                os.fchmod(file, stat.S_IMODE(before.st_mode))
            _write_all(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(_NEW, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)


@contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """Raises OSError; FileNotFoundError where there is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Folder(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def lock_folder(path: Path) -> Iterator[Folder]:
    """Is made where there is none. Of all processes of this machine one at a time is in this block. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True)
    with open_folder(path) as folder:
        folder.lock()
        yield folder


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NoPlainFile("it is no file")
    if found.st_nlink > 1:
        raise NoPlainFile("it has another name as well (a hard link); copy it, so that it has one")


def _state_of(found: os.stat_result) -> State:
    return State(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read_all(file: int, most: int) -> bytes:
    data = b""
    while len(data) < most and (more := os.read(file, most - len(data))):
        data += more
    return data


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
