"""Agents in the database: for API processes on more than one machine. The rules for them are in `core.agents`."""

import secrets
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from core.agents.agent import Agent
from core.agents.backend import Check, Decide, Listing, Stored, check_room
from core.store.database.base import Database
from core.store.reach import EVERYTHING, Reach
from core.store.schema import agents

_IS_AGENT = agents.c.agent_id == sa.bindparam("of_agent")
_IS_AS_SEEN = _IS_AGENT & (agents.c.revision == sa.bindparam("seen"))

_ALL = sa.select(agents)
_GET = sa.select(agents).where(_IS_AGENT)
_COUNT = sa.select(
    sa.func.count().label("total"),
    sa.func.count(sa.case((agents.c.key_name == sa.bindparam("of_key", type_=sa.String), 1))).label("own"),
)
_ANY = sa.select(agents.c.agent_id).limit(1)
_UPDATE = sa.update(agents).where(_IS_AS_SEEN)
_DELETE = sa.delete(agents).where(_IS_AS_SEEN)


class StoredAgents:
    """What is written is conditional on what was seen: where another process came in between, it is looked at again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = database.insert(agents).on_conflict_do_nothing().returning(agents.c.agent_id)

    async def all(self, reach: Reach = EVERYTHING) -> Listing:
        rows = await self._database.rows(_ALL.where(reach.has_agent()))
        return Listing(sorted(map(_read, rows), key=attrgetter("id")))  # databases sort texts each in its own way

    async def get(self, agent_id: str) -> Agent | None:
        row = await self._row(agent_id)
        return row and _read(row)

    async def put(self, agent_id: str, decide: Decide) -> Stored:
        """Puts that come together may exceed the number of agents by as many as they are."""
        while True:
            row = await self._row(agent_id)
            before = None if row is None else _read(row)
            after = decide(before)
            if row is None:
                (counts,) = await self._database.rows(_COUNT, of_key=after.owner)
                check_room(counts.total, counts.own)
                written = await self._database.value(self._insert, **_values(after))
            else:
                written = await self._database.change(_UPDATE, of_agent=agent_id, seen=row.revision, **_values(after))
            if written:
                return Stored(before, after)

    async def delete(self, agent_id: str, check: Check) -> None:
        while True:
            row = await self._row(agent_id)
            check(row and _read(row))
            if row is None or await self._database.change(_DELETE, of_agent=agent_id, seen=row.revision):
                return

    async def add_where_none(self, agents: Sequence[Agent]) -> bool:
        values = [_values(agent) for agent in agents]

        def add(connection: sa.Connection) -> bool:
            if connection.execute(_ANY).first() is not None:
                return False
            return all(connection.execute(self._insert, each).one_or_none() for each in values)

        return await self._database.run_in_thread(add)

    async def close(self) -> None:
        """The store closes the database."""

    async def _row(self, agent_id: str) -> sa.Row[Any] | None:
        return await self._database.row(_GET, of_agent=agent_id)


def _read(row: sa.Row[Any]) -> Agent:
    values = dict(row._mapping)
    del values["revision"]
    return Agent(id=values.pop("agent_id"), owner=values.pop("key_name"), **values)


def _values(agent: Agent) -> dict[str, Any]:
    return {
        "agent_id": agent.id,
        "key_name": agent.owner,
        "name": agent.name,
        "system_prompt": agent.system_prompt,
        "markdown_context": agent.markdown_context,
        "model": agent.model,
        "options": agent.options,
        "tools": agent.tools,
        "document": agent.document,
        "revision": secrets.token_hex(8),
    }
