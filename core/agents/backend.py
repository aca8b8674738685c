"""Where agents are kept: in a folder of files (`core.agents.files`), or in the database (`core.store.agents`)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from core.agents.agent import Agent
from core.agents.errors import AgentUnreadable, TooManyAgents
from core.store.reach import EVERYTHING, Reach

MAX_AGENTS = 1_000
"""A list has them all, prompts and contexts among it."""
MAX_OWN_AGENTS = 100
"""Of one API key, so that it leaves room for the others."""

Decide = Callable[[Agent | None], Agent]
"""Given an agent as it is, or None where there is none, says what it is to be."""
Check = Callable[[Agent | None], None]
"""Given an agent as it is (None: there is none), raises what is against deleting it."""


class Listing(NamedTuple):
    agents: list[Agent]
    """By their ids."""
    unreadable: Sequence[AgentUnreadable] = ()


class Stored(NamedTuple):
    before: Agent | None
    after: Agent


class AgentBackend(Protocol):
    """Who may change which is not its concern. Ids are valid ones.

    `put` and `delete` are atomic: of two that ask at the same time, the second is given what the first has left.
    What they are given may be called again, and may raise: then everything stays as it is. Everything may raise what is
    wrong with the place, such as StoreDown or AgentsNotReadable.
    """

    async def all(self, reach: Reach = EVERYTHING) -> Listing:
        """Those within reach."""
        ...

    async def get(self, agent_id: str) -> Agent | None:
        """Raises AgentUnreadable."""
        ...

    async def put(self, agent_id: str, decide: Decide) -> Stored:
        """Raises TooManyAgents, InvalidAgent, AgentUnreadable, AgentsNotWritable."""
        ...

    async def delete(self, agent_id: str, check: Check) -> None:
        """Raises AgentUnreadable, AgentsNotWritable."""
        ...

    async def add_where_none(self, agents: Sequence[Agent]) -> bool:
        """Whether there were none, and these are there now."""
        ...

    async def close(self) -> None: ...


def check_room(count: int, own: int) -> None:
    """For one more than so many, of which its owner, an API key, has `own`. Raises TooManyAgents."""
    if own >= MAX_OWN_AGENTS:
        raise TooManyAgents(f"this API key has {own} agents, and {MAX_OWN_AGENTS} at most; delete one of them")
    if count >= MAX_AGENTS:
        raise TooManyAgents(f"there are {count} agents, and {MAX_AGENTS} at most; delete one that nobody needs")
