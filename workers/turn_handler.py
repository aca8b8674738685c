"""What a worker does with a job: claim its turn, answer it, publish the answer, close the session log."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from core.broker.connection import AMQP_ERRORS
from core.broker.jobs import Job, publish_job
from core.broker.session_log import read_log
from core.model.errors import AttemptsExhausted, BrokerDown, NotFound
from core.model.events import Event, Failed
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.retry import retry_while_down
from core.store.turns.ownership import MAX_LOST_ATTEMPTS, Held
from core.store.turns.records import Turn
from core.turns.owner import TurnOwner
from core.turns.publisher import Outbox, Publisher
from core.turns.run import Run, Stop
from core.turns.subscribers import Moment
from workers.session_log_writer import SessionLogWriter

log = structlog.get_logger()

PAST_SECONDS = 2.0
"""For the session log of a turn that is taken over: one reader waits for another, which may be frozen."""

OnStop = Callable[[Callable[[Stop], None]], None]
"""Hands the pool task what stops the turn."""


class TurnHandler:
    def __init__(self, owner: TurnOwner) -> None:
        self._runs = owner.runs
        self._store = owner.store
        self._connection = owner.connection
        self._keeper = owner.keeper
        self._endings = owner.endings
        self._subscribers = owner.subscribers
        self._outbox = Outbox(owner.connection)

    async def handle(self, job: Job, on_stop: OnStop) -> Stop | None:
        """Returns why the turn was stopped from outside, None where it took its course.

        A job of another database's is left as well: the sweep of a worker that has that database queues it again.

        A turn whose owner lives is left to it: this is one job too many, as a redelivered one is. Should the owner
        fall silent later, a sweep queues the turn again; to wait for that here would keep a slot from other turns.
        """
        key = job.key
        structlog.contextvars.bind_contextvars(
            request_id=job.context.request_id, session_id=key.session_id, turn=key.turn
        )
        claiming = asyncio.current_task()

        def stop_claiming(_: Stop) -> None:
            if claiming is not None:
                claiming.cancel()

        on_stop(stop_claiming)
        claimed = await retry_while_down(lambda: self._claim(job))
        if isinstance(claimed, Turn):
            return await self._run(claimed, on_stop)
        (log.error if claimed is Held.ELSEWHERE else log.info)("job left", action="job.left", reason=claimed.value)
        if claimed is Held.EXHAUSTED:
            await self._give_up(key)
        elif claimed is Held.FINISHED:
            await self.announce_end(key)
        return None

    async def cancel(self, key: TurnKey) -> None:
        """End a turn whose job was revoked before it ran."""
        with suppress(NotFound):  # its session was deleted
            cancelled = await retry_while_down(lambda: self._store.turns.request_cancel(key.session_id, key.turn))
            for ended in cancelled.ended_here:
                if end := ended.end():
                    self._endings.tell(ended, end)
            await self.announce_end(key)

    async def announce_end(self, key: TurnKey) -> None:
        """Whoever committed a turn may have died before its viewers heard of it.

        Waits for a broker that is away: a dead job is handled while the connection is still being set up.
        """
        try:
            turn = await self._store.turns.get(key)
        except NotFound:
            return
        end = turn.end()
        if end is not None:
            await self._connection.wait_up()
            await self._endings.announce(turn, end)

    async def _claim(self, job: Job) -> Turn | Held:
        if job.store_id and self._store.id and job.store_id != self._store.id:
            return Held.ELSEWHERE
        return await self._store.ownership.claim(job.key, self._runs.process_id, job.silent_beat)

    async def _run(self, turn: Turn, on_stop: OnStop) -> Stop | None:
        structlog.contextvars.bind_contextvars(attempt=turn.attempt)
        self._subscribers.tell(Moment.CLAIMED, turn)
        run = Run(turn, self._runs)
        on_stop(run.stop)
        self._keeper.add(run)
        if turn.cancel_requested:
            run.stop(Stop.CANCELLED)
        try:
            run.past = await self._past(turn)
            await self._answer(run)
        finally:
            self._keeper.remove(run)
        return run.stopped

    async def _answer(self, run: Run) -> None:
        feed, lease, key = run.feed, self._keeper.lease, run.turn.key
        is_known = run.past is not None
        log_writer = SessionLogWriter(feed, self._connection, lease, run.turn.attempt, is_known=is_known)
        publisher = Publisher(
            feed, self._connection, self._outbox, lease, self._runs.ticks, logged_to=log_writer.reaches_to
        )
        log_writer.on_written = publisher.publish_growth
        answering = asyncio.create_task(run.execute(), name=f"run {key}")
        publishing = asyncio.create_task(publisher.run(), name=f"publish {key}")
        logging = asyncio.create_task(log_writer.run(), name=f"session log {key}")
        try:
            await answering
            if feed.end is not None:
                await publishing
                logging.cancel()
                await log_writer.delete()
            elif run.stopped is Stop.HANDED_OVER:
                await self._requeue(run.turn)
            elif await self._is_over(key):
                logging.cancel()
                await log_writer.delete()
        finally:
            publishing.cancel()
            logging.cancel()

    async def _past(self, turn: Turn) -> Feed | None:
        """What viewers have of a turn that is taken over and whose model may go on with it, by its session log; None
        where that is not to be had: then it begins again."""
        if turn.attempt == 1 or not self._runs.catalogue.may_go_on(turn.model):
            return None
        feed = Feed(turn.key)
        try:
            events = await self._connection.hold(self._read_log(turn.key))
        except (BrokerDown, *AMQP_ERRORS) as error:
            log.warning("session log not read", action="log.not_read", error=type(error).__name__)
            return None
        is_whole = [feed.apply(event) for event in events][-1:] == [True]
        return feed if is_whole and feed.end is None else None

    async def _read_log(self, key: TurnKey) -> list[Event]:
        """Nothing where it takes too long, which is another reader's fault and not the connection's."""
        try:
            async with asyncio.timeout(PAST_SECONDS):
                return await read_log(self._connection, key)
        except TimeoutError:
            log.warning("session log not read", action="log.not_read", error="another reader has it")
            return []

    async def _give_up(self, key: TurnKey) -> None:
        turn = await self._store.turns.get(key)
        error = AttemptsExhausted(f"the turn was given up after {MAX_LOST_ATTEMPTS} lost attempts")
        if not await self._endings.end(turn, Failed(turn.attempt, 0, error.code, error.message)):
            await self.announce_end(key)

    async def _is_over(self, key: TurnKey) -> bool:
        """Ended elsewhere, or deleted: nobody else would see a log that was made here after that."""
        try:
            return (await self._store.turns.get(key)).finished
        except NotFound:
            return True

    async def _requeue(self, turn: Turn) -> None:
        """A hint only: where it fails, the sweep of another worker finds the turn without an owner."""
        try:
            await publish_job(self._connection, Job(turn.key, turn.context, self._store.id, queue=turn.queue))
        except BrokerDown:
            return
