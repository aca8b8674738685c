"""A command in a session of its own, which is ended with all that it has started."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self, cast

from core.tools.base import ToolError

LEAVE_SECONDS = 1.0
"""For a server to end by itself when its input does, as MCP has it (lifecycle, shutdown)."""
TERM_SECONDS = 2.0
"""From SIGTERM to SIGKILL."""
KILL_SECONDS = 2.0
"""For a group that was killed to be gone."""
_POLL_SECONDS = 0.02
_CHUNK_BYTES = 65_536


class ProcessGroup:
    def __init__(self, leader: asyncio.subprocess.Process) -> None:
        """`leader`: whose three streams are pipes."""
        self.stdin = cast(asyncio.StreamWriter, leader.stdin)
        self.stdout = cast(asyncio.StreamReader, leader.stdout)
        self.stderr = cast(asyncio.StreamReader, leader.stderr)
        self._number = leader.pid
        """Of the group, also when its leader has ended."""

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], folder: Path, *, longest_line: int
    ) -> Self:
        """Makes the folder. Reading a longer line raises ValueError. Raises ToolError, OSError."""
        leader = await asyncio.create_subprocess_exec(
            *_prepared(command, folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=folder,
            start_new_session=True,
            limit=longest_line,
        )
        return cls(leader)

    async def end(self) -> None:
        """Returns when nobody of the group is left. Nobody else may read its output any more; it is emptied here, so
        that its pipes come to their end."""
        drains = [asyncio.create_task(_drain(pipe), name="mcp drain") for pipe in (self.stdout, self.stderr)]
        try:
            self.stdin.close()
            if not await self._is_gone_within(LEAVE_SECONDS):
                self._signal(signal.SIGTERM)
                await self._is_gone_within(TERM_SECONDS)
        finally:  # also where nobody waits any more
            self._signal(signal.SIGKILL)
        await self._is_gone_within(KILL_SECONDS)
        _, unfinished = await asyncio.wait(drains, timeout=KILL_SECONDS)
        for drain in unfinished:  # somebody who has left the group holds the pipe
            drain.cancel()

    async def _is_gone_within(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._signal(0):
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _signal(self, number: int) -> bool:
        """To all of the group, whose number is its leader's; False where there is none left."""
        try:
            os.killpg(self._number, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # of one that has become somebody else
            return True
        return True


async def _drain(pipe: asyncio.StreamReader) -> None:
    while await pipe.read(_CHUNK_BYTES):
        pass


def _prepared(command: Sequence[str], folder: Path) -> list[str]:
    """The command is looked up here, because folder and environment, PATH among it, are to be its own."""
    path = shutil.which(command[0])
    if path is None:
        raise ToolError(f"there is no command {command[0]}")
    folder.mkdir(parents=True, exist_ok=True)
    return [os.path.abspath(path), *command[1:]]
