"""`./run.sh agents import|export DIR`: copies agents between AGENTS_STORE and a folder of files, `DIR/<id>.md` each.

A copy is the whole agent, owner, comments and all. What the other side does not have stays there.
"""

import asyncio
import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from core.agents.agent import Agent
from core.agents.backend import AgentBackend
from core.agents.errors import AgentsNotReadable, AgentsNotWritable
from core.agents.files import AgentFiles
from core.agents.markdown import BadDocument, write
from core.agents.registry import backend_of
from core.model.errors import HopstreamError, StoreDown
from core.settings import Settings, get_settings
from core.store.errors import StoreUnusable
from core.store.store import Store

_AWAY = (AgentsNotReadable, AgentsNotWritable, StoreDown, StoreUnusable)
"""What holds for all agents, so that there is no point in trying the next one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where every agent is there now, on the other side too."""
    asked = _parse(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # it is all told here
    if asked.direction == "import" and not asked.folder.is_dir():
        _tell("failed", f"there is no folder {asked.folder}")
        return 1
    try:
        return asyncio.run(_transfer(asked.direction, asked.folder, get_settings()))
    except _AWAY as error:
        _tell("failed", error.message)
        return 1


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="./run.sh agents", description="Copy agents from or to a folder of files.")
    parser.add_argument("direction", choices=["import", "export"])
    parser.add_argument("folder", metavar="DIR", type=Path)
    return parser.parse_args(arguments)


async def _transfer(direction: str, folder: Path, settings: Settings) -> int:
    async with _registry(settings) as ours:
        files = AgentFiles(folder)
        try:
            source, target = (files, ours) if direction == "import" else (ours, files)
            return await _copy(source, target)
        finally:
            await files.close()


@asynccontextmanager
async def _registry(settings: Settings) -> AsyncIterator[AgentBackend]:
    store = Store(settings.database_url)
    backend = backend_of(settings, store)
    try:
        if settings.agents_store == "database":
            await store.open()
        yield backend
    finally:
        await backend.close()
        await store.close()


async def _copy(source: AgentBackend, target: AgentBackend) -> int:
    agents, unreadable = await source.all()
    refused = len(unreadable)
    for error in unreadable:
        _tell("refused", f"{error.agent_id}: {error.reason}")
    for agent in agents:
        try:
            _tell(await _put(target, agent), agent.id)
        except _AWAY:
            raise
        except (HopstreamError, BadDocument) as error:
            refused += 1
            _tell("refused", f"{agent.id}: {error}")
    _tell("agents", f"{len(agents) + len(unreadable)}, {refused} refused")
    return 1 if refused else 0


async def _put(target: AgentBackend, agent: Agent) -> str:
    """What became of it there: new, changed or same."""
    document = write(agent).document

    def decide(current: Agent | None) -> Agent:
        return current if current is not None and write(current).document == document else agent

    before, after = await target.put(agent.id, decide)
    if before is None:
        return "new"
    return "same" if after == before else "changed"


def _tell(what: str, details: str) -> None:
    sys.stdout.write(f"{what:<9} {details}\n")


if __name__ == "__main__":
    sys.exit(main())
