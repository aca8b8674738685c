"""Feeds of the running turns that somebody watches in this process: filled from inbox, session log and store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import structlog
from aiormq.abc import AbstractChannel

from api.streams.inbox import Inbox
from api.streams.inbox_check import InboxCheck
from core.broker.connection import BrokerConnection
from core.broker.session_log import read_log
from core.model.errors import BrokerDown, Closing, HopstreamError, NotFound, StoreDown
from core.model.events import Event
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.records import Turn
from core.store.store import Store

log = structlog.get_logger()

LINGER_SECONDS = 5.0
"""A feed that nobody watches any more is kept this long: a reload or a reconnect finds it filled."""
EXPECT_SECONDS = 1.0
"""One that nobody watches yet: behind a load balancer its stream may be asked of another process."""
START_SECONDS = 0.5
"""How long the start of a turn that was just queued is waited for before the store is asked what became of it."""
LOG_BEHIND_SECONDS = 0.3
"""A session log is written four times a second: what is in it so long after we subscribed reaches to what we hear."""
POLL_SECONDS = 2.0
"""How often the store is asked about feeds that hear nothing: queue positions, and ends whose event was lost."""
POLL_SLICE = 100
"""Feeds at a time: when the queue moves, all who wait are told, and tokens must not wait for that."""
NEVER = float("inf")
MAX_PENDING = 1000
"""Events kept until the log has what is before them: twenty seconds of a fast model."""


class Feeds:
    def __init__(self, store: Store, broker_url: str, sender: BrokerConnection) -> None:
        """`sender`: the connection that publishes, here to see that the inbox hears."""
        self._store = store
        self._inbox = Inbox(broker_url, self._on_renewed)
        self._echo = InboxCheck(self._inbox, sender)
        # Logs are read on a connection of their own, so that an accident there cannot cost the inbox.
        self._logs = BrokerConnection(broker_url, "hopstream logs", _nothing)
        self._filled: dict[TurnKey, LiveFeed] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    @property
    def up(self) -> bool:
        return self._inbox.up and self._logs.up

    @property
    def dead(self) -> bool:
        """The inbox hears nothing though it should, for long: only a new process helps."""
        return self._echo.dead

    def start(self) -> None:
        self._inbox.start()
        self._logs.start()
        self._tasks = [
            asyncio.create_task(self._poll_store(), name="poll the store"),
            asyncio.create_task(self._echo.run(), name="inbox echo"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.end_all()
        await asyncio.gather(*(filled.stop() for filled in list(self._filled.values())))
        await self._inbox.stop()
        await self._logs.stop()

    def end_all(self) -> None:
        """The process shuts down: end every stream, so that its client resumes elsewhere."""
        self._closing = True
        self._inbox.leave()
        for filled in self._filled.values():
            _closed(filled.feed)

    def expect(self, key: TurnKey, queue_position: int) -> None:
        """A turn was queued here, so its stream will be asked for here next: hear it from its start. Then there is
        nothing to fill when the viewer comes, and no log to read."""
        if not self._closing:
            self._feed_of(key, is_new=True).feed.set_queue_position(queue_position)

    @asynccontextmanager
    async def attach(self, key: TurnKey) -> AsyncIterator[Feed]:
        """The feed of a turn of queue mode, shared by all its viewers."""
        if self._closing:
            yield _closed(Feed(key))
            return
        filled = self._feed_of(key)
        filled.enter()
        try:
            yield filled.feed
        finally:
            filled.leave()

    def _feed_of(self, key: TurnKey, *, is_new: bool = False) -> "LiveFeed":
        filled = self._filled.get(key)
        if filled is None:

            def forget() -> None:
                del self._filled[key]

            filled = self._filled[key] = LiveFeed(key, self._store, self._inbox, self._logs, forget, is_new=is_new)
        return filled

    def _on_renewed(self) -> None:
        for filled in self._filled.values():
            filled.hear_anew()

    async def _poll_store(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self._filled:
                continue
            try:
                await self._poll_once()
            except StoreDown:
                continue
            except Exception as error:
                log.error("store poll failed", action="feeds.poll_failed", exc_info=error)

    async def _poll_once(self) -> None:
        known = list(self._filled.items())
        places = await self._store.turns.places()
        for number, (key, filled) in enumerate(known):
            if number % POLL_SLICE == 0:
                await asyncio.sleep(0)
            place = places.get(key)
            if place is None:  # it is finished, and its end was lost
                filled.refill()
            elif place:
                filled.feed.set_queue_position(place)


class LiveFeed:
    """One feed and the task that owns it: nobody else subscribes, reads its log or fills it."""

    def __init__(
        self,
        key: TurnKey,
        store: Store,
        inbox: Inbox,
        logs: BrokerConnection,
        on_done: Callable[[], None],
        *,
        is_new: bool,
    ) -> None:
        """`is_new`: the turn was queued a moment ago."""
        self.feed = Feed(key)
        self._is_new = is_new
        self._viewers = 0
        self._patience = EXPECT_SECONDS
        """How long it is kept without a viewer."""
        self._changed = asyncio.Event()
        """Set when the task has to look: a hole, a viewer gone, the end."""
        self._has_hole = True
        self._hears_since = NEVER
        """The loop's time at which we subscribed."""
        self._has_read = False
        """Whether the last try to fill it read a log that goes with what was heard."""
        self._has_heard = False
        """Whether anything since then went on where the feed ended: then nothing is missing before it."""
        self._pending: list[Event] = []
        """Events that wait for what is before them."""
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._inbox = inbox
        self._logs = logs
        self._on_done = on_done
        self._task = asyncio.create_task(self._own(), name=f"feed {key}")

    def enter(self) -> None:
        """A viewer comes."""
        self._viewers += 1
        self._patience = LINGER_SECONDS
        self._changed.set()

    def leave(self) -> None:
        self._viewers -= 1
        self._changed.set()

    def hear_anew(self) -> None:
        """The subscription was made again, and what came meanwhile was missed."""
        self._begin_to_hear()
        self._has_read = False
        self._pending.clear()
        self.refill()

    def refill(self) -> None:
        self._has_hole = True
        self._changed.set()

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _own(self) -> None:
        try:
            await self._fill()
            while True:
                await self._serve()
                await self._inbox.unsubscribe(self.feed.key)
                self._hears_since = NEVER
                if self.feed.is_over or not self._viewers:  # nobody came while we said goodbye to the broker
                    return
                self._has_hole = True
        except Exception as error:
            log.error("feed broke", action="feed.broken", session_id=self.feed.key.session_id, exc_info=error)
            self.feed.fail(HopstreamError("the stream broke off because of an error on our side"))
        finally:
            self._on_done()

    async def _serve(self) -> None:
        """Keep the feed filled until it is over, which those who watch it see by themselves, or nobody watches."""
        while True:
            self._changed.clear()
            if self.feed.is_over or (not self._viewers and not await self._somebody_comes()):
                return
            if self._has_hole:
                await self._fill()
            else:
                await self._changed.wait()

    async def _somebody_comes(self) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                while not self._viewers:
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            return False
        return True

    async def _fill(self) -> None:
        """Subscribe, ask the store, read the log: in this order nothing falls between them."""
        self._has_hole = self._has_read = False
        try:
            is_filled = await self._try_to_fill()
        except (BrokerDown, StoreDown):
            is_filled = False
        if is_filled:
            self._pending.clear()
        else:
            self._has_hole = True
            await asyncio.sleep(LOG_BEHIND_SECONDS)
            if self._has_read and self._has_heard and not self._pending:
                self._has_hole = False  # what was heard meanwhile went on where the log had ended

    async def _try_to_fill(self) -> bool:
        feed = self.feed
        is_subscribed = await self._subscribe()
        is_new, self._is_new = self._is_new, False
        if is_new and is_subscribed and await self._hears_start():
            return self._apply_all()
        try:
            turn = await self._store.turns.get(feed.key)
        except NotFound as error:
            feed.fail(error)
            return True
        if turn.finished:
            fill_from_store(feed, turn)
            return True
        if turn.status == "queued":  # there is no log yet
            if feed.queue_position is None:
                feed.set_queue_position(await self._store.turns.position(turn))
            return is_subscribed and self._apply_all()
        return await self._read_log() and is_subscribed

    async def _read_log(self) -> bool:
        """Whether it reaches to what is heard."""
        since, now = self._hears_since, self._loop.time()
        events = await self._logs.hold(read_log(self._logs, self.feed.key))
        fits = self._apply_all(events)
        self._has_read = fits and since == self._hears_since and self.feed.attempt > 0
        return self._has_read and (self._has_heard or bool(self._pending) or now - since >= LOG_BEHIND_SECONDS)

    async def _hears_start(self) -> bool:
        """Whoever has heard a turn's start has missed nothing."""
        with self.feed.watch() as changed, suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while not self.feed.attempt:
                    await changed.wait()
                    changed.clear()
        return self.feed.attempt > 0

    async def _subscribe(self) -> bool:
        try:
            await self._inbox.subscribe(self.feed.key, self._on_event)
        except BrokerDown:
            return False
        if self._hears_since == NEVER:
            self._begin_to_hear()
        return True

    def _begin_to_hear(self) -> None:
        self._hears_since = self._loop.time()
        self._has_heard = False

    def _apply_all(self, logged: Iterable[Event] = ()) -> bool:
        """Whether nothing is missing up to the last of them. A log may begin with batches whose start it has dropped;
        a snapshot follows."""
        fits = [self.feed.apply(event) for event in (*logged, *self._pending)]
        return not fits or fits[-1]

    def _on_event(self, event: Event) -> None:
        if self.feed.apply(event):
            self._has_heard = self._has_heard or event.attempt == self.feed.attempt
            if self.feed.end is not None:
                self._changed.set()
            return
        if len(self._pending) >= MAX_PENDING:
            self._pending.clear()
        self._pending.append(event)
        self.refill()


def fill_from_store(feed: Feed, turn: Turn) -> None:
    """Bring a feed to the end of a finished turn, from wherever it is."""
    if feed.end is not None:
        return
    if turn.attempt > feed.attempt:
        feed.start(turn.attempt, turn.model, turn.restart_reason)
    stored = turn.read_tape()
    feed.extend(stored.slice(len(feed.tape)))
    end = turn.end()
    if end is not None:
        feed.finish(end)


def _closed(feed: Feed) -> Feed:
    feed.fail(Closing("the server restarts; reconnect", retry_after=1))
    return feed


async def _nothing(_: AbstractChannel) -> None:
    """The log connection opens a channel for each reading."""
