"""Agents as files: one folder, `AGENTS_DIR`, that people edit by hand and API processes of one machine share.

What was read is kept for as long as a look at the file shows that it is the same, so an edit is seen at the next
question. Files that cannot be read are left out of the list, and told in the log once for each change of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time_ns
from typing import NamedTuple, TypeVar

import structlog

from core.agents.agent import Agent, is_agent_id
from core.agents.backend import Check, Decide, Listing, Stored, check_room
from core.agents.errors import AgentsNotReadable, AgentsNotWritable, AgentUnreadable, InvalidAgent
from core.agents.folder import Folder, NoPlainFile, State, lock_folder, open_folder
from core.agents.markdown import MAX_BYTES, BadDocument, decode, read, write
from core.store.reach import EVERYTHING, Reach

T = TypeVar("T")
log = structlog.get_logger()

SUFFIX = ".md"
THREADS = 4
"""Their own: a disk that hangs must not hold up what else waits in threads."""
DISK_SECONDS = 30.0
"""A thousand files are read in a second or two. A disk that takes longer hangs."""
SETTLED_NS = 100_000_000
"""Clocks of file systems tick every few milliseconds: a file that was changed in the same tick as it was read looks the
same, so one that has just changed is read again."""


class _Known(NamedTuple):
    """What a file was read as."""

    state: State
    agent: Agent | None
    reason: str
    """Why it is none."""
    is_settled: bool


class AgentFiles:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, _Known] = {}
        self._threads = ThreadPoolExecutor(THREADS, "agents")
        self._writing = asyncio.Lock()

    async def all(self, reach: Reach = EVERYTHING) -> Listing:
        return await self._read(lambda: self._all(reach))

    async def get(self, agent_id: str) -> Agent | None:
        return await self._read(lambda: self._get(agent_id))

    async def put(self, agent_id: str, decide: Decide) -> Stored:
        return await self._write(lambda: self._put(agent_id, decide))

    async def delete(self, agent_id: str, check: Check) -> None:
        await self._write(lambda: self._delete(agent_id, check))

    async def add_where_none(self, agents: Sequence[Agent]) -> bool:
        return await self._write(lambda: self._add_where_none(agents))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(DISK_SECONDS):
                return await self._in_thread(work)
        except OSError as error:
            log.error("agents not read", action="agents.not_readable", folder=str(self._path), reason=str(error))
            raise AgentsNotReadable(f"AGENTS_DIR: {error.strerror or 'does not answer'}") from error

    async def _write(self, work: Callable[[], T]) -> T:
        """One at a time, so that the others wait here and hold no thread."""
        try:
            async with asyncio.timeout(DISK_SECONDS), self._writing:
                return await self._in_thread(work)
        except OSError as error:
            log.error("agents not written", action="agents.not_writable", folder=str(self._path), reason=str(error))
            raise AgentsNotWritable(
                f"AGENTS_DIR: {error.strerror or 'does not answer'}; this process needs a folder there that it can "
                "write to, with room on its disk, or AGENTS_STORE=database"
            ) from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _all(self, reach: Reach) -> Listing:
        try:
            with open_folder(self._path) as folder:
                names = _documents_in(folder)
                looked = [(name, self._look(folder, name)) for name in names]
        except FileNotFoundError:
            return Listing([])
        for name in set(self._known).difference(names):
            self._known.pop(name, None)
        found = [(name, known) for name, known in looked if known is not None]
        agents = [known.agent for _, known in found if known.agent is not None and reach.finds(known.agent.owner)]
        return Listing(agents, [_unreadable(name, known) for name, known in found if known.agent is None])

    def _get(self, agent_id: str) -> Agent | None:
        try:
            with open_folder(self._path) as folder:
                return self._in_folder(folder, agent_id)
        except FileNotFoundError:
            return None

    def _put(self, agent_id: str, decide: Decide) -> Stored:
        with lock_folder(self._path) as folder:
            before = self._in_folder(folder, agent_id)
            after = decide(before)
            if before is None:
                names = _documents_in(folder)
                check_room(len(names), self._count_of(after.owner, folder, names))
            return Stored(before, _write_file(folder, before, after))

    def _count_of(self, owner: str | None, folder: Folder, names: Sequence[str]) -> int:
        """Of a key's own agents."""
        if owner is None:
            return 0
        looked = (self._look(folder, name) for name in names)
        return sum(known is not None and known.agent is not None and known.agent.owner == owner for known in looked)

    def _delete(self, agent_id: str, check: Check) -> None:
        with lock_folder(self._path) as folder:
            check(self._in_folder(folder, agent_id))
            folder.remove(agent_id + SUFFIX)

    def _add_where_none(self, agents: Sequence[Agent]) -> bool:
        with lock_folder(self._path) as folder:
            if _documents_in(folder):
                return False
            for agent in agents:
                _write_file(folder, None, agent)
            return True

    def _in_folder(self, folder: Folder, agent_id: str) -> Agent | None:
        """Raises AgentUnreadable."""
        name = agent_id + SUFFIX
        known = self._look(folder, name)
        if known is not None and known.agent is None:
            raise _unreadable(name, known)
        return known and known.agent

    def _look(self, folder: Folder, name: str) -> _Known | None:
        """None where there is no such file."""
        state, before = folder.state(name), self._known.get(name)
        if state is not None and before is not None and before.is_settled and before.state == state:
            return before
        known = state and _read_file(folder, name, state)
        if known is None:
            self._known.pop(name, None)
            return None
        if known.agent is None and (before is None or before.state != known.state):
            log.warning("left out", action="agents.unreadable", file=_shown(name), reason=known.reason)
        self._known[name] = known
        return known


def _documents_in(folder: Folder) -> list[str]:
    """Files of agents by their names, whether they can be read or not."""
    names = (name for name in folder.names() if name.endswith(SUFFIX))
    return sorted(names, key=lambda name: name.removesuffix(SUFFIX))


def _read_file(folder: Folder, name: str, state: State) -> _Known | None:
    """None where it is gone. `state`: of what cannot be opened."""
    agent, reason = None, ""
    try:
        agent_id = _id_in(name)
        opened = folder.read(name, MAX_BYTES)
        if opened is None:
            return None
        data, state = opened
        agent = read(agent_id, decode(data))
    except (NoPlainFile, BadDocument) as error:
        reason = str(error)
    return _Known(state, agent, reason, time_ns() - state.changed_ns > SETTLED_NS)


def _id_in(name: str) -> str:
    agent_id = name.removesuffix(SUFFIX)
    if not is_agent_id(agent_id):
        raise NoPlainFile("its name is none of an agent: a to z, 0 to 9, - and _, at most 64")
    return agent_id


def _write_file(folder: Folder, before: Agent | None, agent: Agent) -> Agent:
    """Unless it is there just so."""
    try:
        written = write(agent)
    except BadDocument as error:
        raise InvalidAgent(f"the agent {agent.id!r} cannot be written: {error}") from error
    if written.document and (before is None or written.document != before.document):
        folder.replace(agent.id + SUFFIX, written.document.encode())
    return written


def _unreadable(name: str, known: _Known) -> AgentUnreadable:
    return AgentUnreadable(_shown(name.removesuffix(SUFFIX)), known.reason)


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)
