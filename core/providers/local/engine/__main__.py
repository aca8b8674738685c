"""`python -m core.providers.local.engine SOCKET SETTINGS`: one model on one device, until nobody asks it any more.

It is nobody's child: it returns at once, and the engine goes on in the background. Of several that are started for the
same socket one stays; torch is loaded by that one alone.
"""

import asyncio
import fcntl
import os
import sys
import time
from pathlib import Path
from typing import TextIO

import msgspec

from core.providers.local.settings import EngineSettings

LOCK_TRIES = 5
LOCK_SECONDS = 0.05


def main() -> None:
    socket, settings = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=EngineSettings)
    with socket.with_suffix(".lock").open("w") as lock:
        if not _locked(lock):
            return
        if os.fork():
            os._exit(0)  # the lock is the child's, too
        os.setsid()
        socket.unlink(missing_ok=True)  # of one that was killed
        from core.providers.local.engine.running import serve
        from core.providers.local.engine.server import EXPECTED

        try:
            asyncio.run(serve(socket, settings))
        except EXPECTED as error:
            sys.exit(f"{settings.model}: {error}")


def _locked(lock: TextIO) -> bool:
    """Who looks whether an engine runs has the lock for a moment; an engine has it for good."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_SECONDS)
        else:
            return True
    return False


if __name__ == "__main__":
    main()
