"""The registry of agents: who sees which, who may change which, and on what condition. Where they are kept is a
backend's affair.

With API keys an agent belongs to the key that has made it, which alone finds and changes it. One without an owner is
the operator's: every key may use it, and none may change it. Without keys everybody reaches everything.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import structlog

from core.agents.agent import Agent, AgentChange, is_agent_id
from core.agents.backend import AgentBackend
from core.agents.defaults import DEFAULT_AGENTS
from core.agents.errors import AgentNotYours, AgentsNotWritable, InvalidAgent
from core.model.errors import NotFound, PreconditionFailed
from core.settings import Settings
from core.store.reach import Reach
from core.store.store import Store

log = structlog.get_logger()

ANY_VERSION = "*"

Allowed = Callable[[Sequence[str], str | None], Collection[str]]
"""Of these tools, those that there are and that the key of this name may use; None: there are no keys."""


class Put(NamedTuple):
    agent: Agent
    created: bool


class AgentRegistry:
    """`if_match`: versions of which the agent has to have one, `*` for any. Everything may raise AgentUnreadable, and
    what is wrong with the place where they are: StoreDown, AgentsNotReadable, AgentsNotWritable."""

    def __init__(self, backend: AgentBackend, allowed: Allowed | None = None) -> None:
        """`allowed`: checks the tools of agents that are put. None: an agent may name any."""
        self._backend = backend
        self._allowed = allowed

    async def list(self, reach: Reach) -> Sequence[Agent]:
        """By their ids; without those that cannot be read."""
        return (await self._backend.all(reach)).agents

    async def get(self, agent_id: str, reach: Reach) -> Agent:
        """Raises NotFound."""
        agent = await self._backend.get(agent_id) if is_agent_id(agent_id) else None
        return _found(agent, agent_id, reach)

    async def put(
        self,
        agent_id: str,
        change: AgentChange,
        reach: Reach,
        if_match: Collection[str] | None = None,
        create_only: bool = False,
    ) -> Put:
        """Make an agent, or change one. Members that are not in `change` keep their value.

        Raises InvalidAgent, AgentNotYours, PreconditionFailed, TooManyAgents.
        """
        if not is_agent_id(agent_id):
            raise InvalidAgent("an agent's id is of a to z, 0 to 9, - and _, at most 64 of them", field="id")
        self._check_tools(change.get("tools", []), reach)

        def decide(current: Agent | None) -> Agent:
            if current is None:
                _check_version(None, agent_id, if_match)
                return _new(agent_id, change, reach)
            _check_may_change(current, reach)
            if create_only:
                raise PreconditionFailed(f"there is an agent {agent_id!r} already")
            _check_version(current, agent_id, if_match)
            return msgspec.structs.replace(current, **change)

        before, after = await self._backend.put(agent_id, decide)
        if after != before:
            log.info("agent stored", action="agents.put", agent=agent_id, version=after.version)
        return Put(after, before is None)

    async def delete(self, agent_id: str, reach: Reach, if_match: Collection[str] | None = None) -> None:
        """Raises NotFound, AgentNotYours, PreconditionFailed."""

        def check(current: Agent | None) -> None:
            agent = _found(current, agent_id, reach)
            _check_may_change(agent, reach)
            _check_version(agent, agent_id, if_match)

        if not is_agent_id(agent_id):
            check(None)
        await self._backend.delete(agent_id, check)
        log.info("agent deleted", action="agents.delete", agent=agent_id)

    async def make_defaults(self) -> None:
        """Where there are no agents at all. A place that cannot be written to is served as it is."""
        with suppress(AgentsNotWritable):
            if await self._backend.add_where_none(DEFAULT_AGENTS):
                log.info("there were no agents: made the usual ones", action="agents.defaults")

    async def close(self) -> None:
        await self._backend.close()

    def _check_tools(self, names: Sequence[str], reach: Reach) -> None:
        if self._allowed is None or not names:
            return
        allowed = self._allowed(names, reach.key_name)
        if unknown := [name for name in names if name not in allowed]:
            raise InvalidAgent(f"tools: there are none, for you, of the names {', '.join(unknown)}", field="tools")


def backend_of(settings: Settings, store: Store) -> AgentBackend:
    """Of AGENTS_STORE. The modules of the one that is not used are not loaded."""
    if settings.agents_store == "database":
        return store.agents
    from core.agents.files import AgentFiles

    return AgentFiles(settings.agents_dir)


def _new(agent_id: str, change: AgentChange, reach: Reach) -> Agent:
    for member in ("name", "system_prompt"):
        if member not in change:
            raise InvalidAgent(f"{member}: is missing, and there is no agent {agent_id!r} yet", field=member)
    members: dict[str, Any] = {"owner": reach.key_name, **change}
    return Agent(id=agent_id, **members)


def _found(agent: Agent | None, agent_id: str, reach: Reach) -> Agent:
    if agent is None or not reach.finds(agent.owner):
        shown = repr(agent_id) if is_agent_id(agent_id) else "with such an id"
        raise NotFound(f"there is no agent {shown}")
    return agent


def _check_may_change(agent: Agent, reach: Reach) -> None:
    if reach.may_change(agent.owner):
        return
    if agent.owner is None:
        raise AgentNotYours(
            f"the agent {agent.id!r} is the operator's: every API key may use it, and none may change it; make one of "
            "your own, under another id"
        )
    raise AgentNotYours(f"the id {agent.id!r} is taken; choose another one")


def _check_version(agent: Agent | None, agent_id: str, if_match: Collection[str] | None) -> None:
    if if_match is None:
        return
    if agent is None:
        raise PreconditionFailed(f"there is no agent {agent_id!r} that could match")
    if ANY_VERSION not in if_match and agent.version not in if_match:
        raise PreconditionFailed(f"the agent {agent_id!r} was changed meanwhile; read it again")
