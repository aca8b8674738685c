"""Direct mode: this process answers by itself. The turn is stored like any other. That of an HTTP response is cancelled
when its client leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from core.model.errors import AttemptLost
from core.model.feed import Feed
from core.store.turns.records import Turn
from core.turns.keeper import Keeper
from core.turns.run import Run, Stop
from core.turns.services import RunServices

COMMIT_SECONDS = 5.0
LOST = "the answer was ended elsewhere: its session was deleted, or this process was not heard of for too long"


class DirectRuns:
    def __init__(self, services: RunServices, keeper: Keeper) -> None:
        self.process_id = services.process_id
        self._services = services
        self._settings = services.settings
        self._keeper = keeper
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def answer(self, turn: Turn, *, may_restart: bool) -> AsyncIterator[Feed]:
        """Answer a turn that this process has created for itself; whoever leaves early cancels it. `may_restart`:
        whether its client can be told that what it has seen is void."""
        run = self._begin(turn, may_restart=may_restart)
        try:
            yield run.feed
        finally:
            run.stop(Stop.CANCELLED)

    def start(self, turn: Turn) -> None:
        """Answer such a turn to its end, whoever is there to see it."""
        self._begin(turn, may_restart=True)

    def stop_soon(self) -> None:
        """The process shuts down: nobody else can go on with these, so they get the grace time."""
        asyncio.get_running_loop().call_later(self._settings.shutdown_grace, self._stop_all)

    async def stop(self) -> None:
        """An answer whose end the database does not take now is ended as lost by another process."""
        self._stop_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_SECONDS):
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop_all(self) -> None:
        for run in self._keeper.runs.values():
            run.stop(Stop.CANCELLED)

    def _begin(self, turn: Turn, *, may_restart: bool) -> Run:
        run = Run(turn, self._services, may_restart=may_restart)
        self._keeper.add(run)
        task = asyncio.create_task(self._execute(run), name=f"direct {turn.key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    async def _execute(self, run: Run) -> None:
        limit = asyncio.get_running_loop().call_later(self._settings.max_turn_seconds, run.stop, Stop.TIME_LIMIT)
        try:
            await run.execute()
            if run.feed.end is None:
                run.feed.fail(AttemptLost(LOST))
        except Exception as error:
            run.feed.fail(error)
            raise
        finally:
            limit.cancel()
            self._keeper.remove(run)
