"""The store: sessions, turns, agents, narrators and the processes that are alive, in SQLite or PostgreSQL."""

from copy import copy

import sqlalchemy as sa

from core.store.agents import StoredAgents
from core.store.database.from_url import database_from_url
from core.store.liveness import Liveness
from core.store.migrate import migrate
from core.store.narrator.controllers import Controllers
from core.store.narrator.events import NarratorEvents
from core.store.processes import Processes
from core.store.reach import Reach
from core.store.schema import schema_marks
from core.store.sessions import Sessions
from core.store.tickets import SpentTickets
from core.store.turns.orphans import Orphans
from core.store.turns.ownership import Ownership
from core.store.turns.steps import StoredSteps
from core.store.turns.turns import Turns
from core.store.turns.waiting import WaitingTurns
from core.store.turns.watched import WatchedTurns


class Store:
    """One per process. `open()` first; every method may raise StoreDown."""

    def __init__(self, url: str) -> None:
        """Raises StoreUnusable for a URL that cannot be read."""
        self._database = database_from_url(url)
        self.id = ""
        """The database's, the same for all that work with it; empty until it is open."""
        self.sessions = Sessions(self._database)
        self.turns = Turns(self._database)
        liveness = Liveness()
        self.ownership = Ownership(self._database, liveness)
        self.waiting = WaitingTurns(self._database)
        self.steps = StoredSteps(self._database)
        self.orphans = Orphans(self._database, liveness)
        self.processes = Processes(self._database, liveness)
        self.controllers = Controllers(self._database)
        self.narrator = NarratorEvents(self._database, self.controllers)
        self.spent_tickets = SpentTickets(self._database)
        self.watched = WatchedTurns(self._database)
        self.agents = StoredAgents(self._database)

    def within(self, reach: Reach) -> "Store":
        """The same store, in which a caller finds what is within its reach alone."""
        view = copy(self)
        view.sessions = Sessions(self._database, reach)
        view.turns = Turns(self._database, reach)
        view.controllers = Controllers(self._database, reach)
        view.narrator = NarratorEvents(self._database, view.controllers, reach)
        return view

    async def open(self) -> None:
        """Bring the schema up to date. Raises StoreDown while the database is away; StoreUnusable, SchemaTooNew among
        it, where this process cannot run on it."""
        await migrate(self._database)
        self.id = await self._database.value(sa.select(schema_marks.c.store_id))

    async def close(self) -> None:
        await self._database.close()
