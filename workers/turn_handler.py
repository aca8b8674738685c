"""What a worker does with a job: claim its turn, answer it, publish the answer, close the log."""

import asyncio
from collections.abc import Callable

import structlog

from core.broker.connection import BrokerConnection
from core.broker.jobs import publish_job
from core.broker.session_log import close_log
from core.model.errors import AttemptsExhausted, BrokerDown, NotFound
from core.model.events import Failed
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.providers.base import Provider
from core.settings import Settings
from core.store.ownership import MAX_LOST_ATTEMPTS, Held
from core.store.records import Turn
from core.store.retry import retry_while_down
from core.store.store import Store
from core.turns.keeper import Keeper
from core.turns.run import Run, Stop
from core.turns.ticks import TickScheduler
from workers.outbox import Outbox
from workers.publisher import Publisher
from workers.session_log_writer import SessionLogWriter

log = structlog.get_logger()

OnStop = Callable[[Callable[[Stop], None]], None]
"""Tells the job's owner how to stop it."""


class TurnHandler:
    def __init__(
        self,
        *,
        store: Store,
        connection: BrokerConnection,
        keeper: Keeper,
        provider: Provider,
        settings: Settings,
        process_id: str,
    ) -> None:
        self._store = store
        self._connection = connection
        self._keeper = keeper
        self._provider = provider
        self._settings = settings
        self._process_id = process_id
        self._ticks = TickScheduler()
        self._outbox = Outbox(connection)

    async def handle(self, key: TurnKey, on_stop: OnStop) -> Stop | None:
        """Returns why the turn was stopped from outside, None where it took its course.

        A turn whose owner lives is left to it: this is one job too many, as a redelivered one is. Should the owner
        fall silent later, a sweep queues the turn again; to wait for that here would keep a slot from other turns.
        """
        claiming = asyncio.current_task()

        def stop_claiming(_: Stop) -> None:
            if claiming is not None:
                claiming.cancel()

        on_stop(stop_claiming)
        claimed = await retry_while_down(lambda: self._store.ownership.claim(key, self._process_id))
        if isinstance(claimed, Turn):
            return await self._run(claimed, on_stop)
        log.info("job left", action="job.left", session_id=key.session_id, turn=key.turn, reason=claimed.value)
        if claimed is Held.EXHAUSTED:
            await self._give_up(key)
        elif claimed is Held.FINISHED:
            await self.announce_end(key)
        return None

    async def cancel(self, key: TurnKey) -> None:
        """End a turn whose job was revoked before it ran."""
        if not (await self._store.turns.get(key)).finished:  # else a later turn of the session would be meant
            await self._store.turns.request_cancel(key.session_id)
        await self.announce_end(key)

    async def announce_end(self, key: TurnKey) -> None:
        """Whoever committed a turn may have died before its viewers heard of it.

        Waits for a broker that is away: a dead job is looked at while the connection is still being set up.
        """
        try:
            turn = await self._store.turns.get(key)
        except NotFound:
            return
        end = turn.end()
        if end is not None:
            await self._connection.wait_up()
            await self._connection.call(lambda channel: close_log(channel, key, end))

    async def _run(self, turn: Turn, on_stop: OnStop) -> Stop | None:
        feed = Feed(turn.key)
        run = Run(
            turn,
            feed,
            store=self._store,
            provider=self._provider,
            settings=self._settings,
            ticks=self._ticks,
            process_id=self._process_id,
        )
        publisher = Publisher(feed, self._connection, self._outbox, self._keeper.lease, self._ticks)
        session_log_writer = SessionLogWriter(feed, self._connection, self._keeper.lease, turn.attempt)
        on_stop(run.stop)
        self._keeper.add(run)
        if turn.cancel_requested:
            run.stop(Stop.CANCELLED)
        answering = asyncio.create_task(run.execute(turn.restart_reason), name=f"run {turn.key}")
        publishing = asyncio.create_task(publisher.run(), name=f"publish {turn.key}")
        logging = asyncio.create_task(session_log_writer.run(), name=f"log {turn.key}")
        try:
            await answering
            if feed.end is not None:
                await publishing
                logging.cancel()
                await session_log_writer.delete()
            elif run.stopped is Stop.HANDED_OVER:
                await self._requeue(turn.key)
            elif await self._is_deleted(turn.key):
                logging.cancel()
                await session_log_writer.delete()
        finally:
            self._keeper.remove(run)
            publishing.cancel()
            logging.cancel()
        return run.stopped

    async def _give_up(self, key: TurnKey) -> None:
        turn = await self._store.turns.get(key)
        error = AttemptsExhausted(f"the turn was given up after {MAX_LOST_ATTEMPTS} lost attempts")
        if await self._store.orphans.finish_orphan(key, Failed(turn.attempt, 0, error.code, error.message)):
            log.error("turn given up", action="turn.exhausted", session_id=key.session_id, turn=key.turn)
        await self.announce_end(key)

    async def _is_deleted(self, key: TurnKey) -> bool:
        try:
            await self._store.turns.get(key)
        except NotFound:
            return True
        return False

    async def _requeue(self, key: TurnKey) -> None:
        """A hint only: where it fails, the sweep of another worker finds the turn without an owner."""
        try:
            await publish_job(self._connection, key)
        except BrokerDown:
            return
