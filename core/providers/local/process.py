"""The engine's process: found if it runs, else started, by whichever process of this machine needs it first."""

import asyncio
import fcntl
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

import msgspec
import structlog

from core.providers.local.connection import EngineConnection
from core.providers.local.settings import EngineSettings

log = structlog.get_logger()

START_SECONDS = 120.0
"""For the socket, behind which the model is still loaded."""
LOOK_SECONDS = 0.05
LAST_WORDS_BYTES = 500
_NAME_CHARS = 16


class NoEngine(Exception):
    """It does not start; the message says why, as far as that is known."""


def socket_of(settings: EngineSettings) -> Path:
    """In a folder of this user's alone: whoever reaches a socket may ask. Raises NoEngine, OSError."""
    folder = Path(tempfile.gettempdir()) / f"hopstream-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NoEngine(f"{folder} belongs to somebody else, or others can write there")
    name = hashlib.sha256(msgspec.json.encode(settings)).hexdigest()[:_NAME_CHARS]
    return folder / f"{name}.sock"


async def connect(settings: EngineSettings) -> EngineConnection:
    """Raises NoEngine."""
    try:
        return await _connect(settings)
    except OSError as error:  # of the folder, say, or of the process that is to run
        raise NoEngine(str(error)) from error


async def _connect(settings: EngineSettings) -> EngineConnection:
    socket = socket_of(settings)
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    has_started = False
    while asyncio.get_running_loop().time() < deadline:
        try:
            async with asyncio.timeout_at(deadline):
                return await EngineConnection.open(socket)
        except TimeoutError as error:
            raise NoEngine(f"it did not answer within {START_SECONDS:g} s") from error
        except OSError:
            pass
        if not is_running(socket):
            if has_started:
                raise NoEngine(_last_words(socket) or "it ended without a word")
            await _start(settings, socket)
            has_started = True
        await asyncio.sleep(LOOK_SECONDS)
    raise NoEngine(f"its socket was not there within {START_SECONDS:g} s")


def is_running(socket: Path) -> bool:
    """Whether an engine holds the lock of this socket, as it does for as long as it lives."""
    with socket.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def _start(settings: EngineSettings, socket: Path) -> None:
    """It outlives the process that starts it: another one may use it."""
    command = ("-m", "core.providers.local.engine", str(socket), msgspec.json.encode(settings).decode())
    with _output(socket).open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    await process.wait()
    log.info("engine started", action="local.start", model=settings.model)


def _last_words(socket: Path) -> str:
    text = _output(socket).read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace")
    return text.strip().rpartition("\n")[2]


def _output(socket: Path) -> Path:
    return socket.with_suffix(".log")
