"""Tickets that were used. All API processes share the database, and it alone: here a ticket can be used once in all of
them together."""

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from core.store.database.base import Database
from core.store.schema import db_now, spent_tickets

KEPT_SECONDS = 3600.0
"""Far longer than a ticket is valid by any machine's clock."""

_FORGET = sa.delete(spent_tickets).where(spent_tickets.c.spent_at < db_now() - KEPT_SECONDS)
_SPEND = sa.insert(spent_tickets).values(spent_at=db_now())


class SpentTickets:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, ticket_id: str) -> bool:
        """Whether this is the first time."""

        def spend(connection: sa.Connection) -> None:
            connection.execute(_FORGET)
            connection.execute(_SPEND, {"ticket_id": ticket_id})

        try:
            await self._database.run(spend)
        except IntegrityError:
            return False
        return True
