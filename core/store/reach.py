"""Reach: whose sessions and agents a caller finds. Every query of `Sessions` and `Turns` for a caller has it in its
WHERE."""

from typing import NamedTuple

import sqlalchemy as sa

from core.store.schema import agents, sessions


class Reach(NamedTuple):
    key_name: str | None
    """The name of the API key that sessions belong to; None: all sessions, and new ones belong to nobody."""

    def has_session(self) -> sa.ColumnElement[bool]:
        """For queries of `sessions`."""
        return sa.true() if self.key_name is None else sessions.c.key_name == self.key_name

    def has(self, session_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """For queries of other tables, by their column with the session's id."""
        if self.key_name is None:
            return sa.true()
        return sa.exists().where(sessions.c.session_id == session_id, self.has_session())

    def has_agent(self) -> sa.ColumnElement[bool]:
        """For queries of `agents`, as `finds`."""
        if self.key_name is None:
            return sa.true()
        return agents.c.key_name.is_(None) | (agents.c.key_name == self.key_name)

    def finds(self, owner: str | None) -> bool:
        """An agent of this owner; None is the operator, whose agents are for all."""
        return owner is None or self.may_change(owner)

    def may_change(self, owner: str | None) -> bool:
        """An agent of this owner."""
        return self.key_name is None or owner == self.key_name


EVERYTHING = Reach(None)
"""Our own work, and everybody's while the API has no keys."""
