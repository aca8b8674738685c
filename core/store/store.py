"""The store: sessions, turns and the processes that are alive, in SQLite or PostgreSQL."""

from core.store.database import Database
from core.store.migrate import migrate
from core.store.ownership import Ownership
from core.store.processes import Processes
from core.store.sessions import Sessions
from core.store.turns import Turns


class Store:
    """One per process. `open()` first; every method may raise StoreDown."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.sessions = Sessions(self._database)
        self.turns = Turns(self._database)
        self.ownership = Ownership(self._database)
        self.processes = Processes(self._database)

    async def open(self) -> None:
        """Bring the schema up to date."""
        await migrate(self._database)

    async def close(self) -> None:
        await self._database.close()
