"""A live feed: that of a running turn in an API process, filled from what the inbox hears, session log and store."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from typing import Protocol

import structlog

from api.streams.inbox import FeedSubscription, Inbox
from core.broker.connection import BrokerConnection
from core.broker.session_log import read_log
from core.model.errors import BrokerDown, HopstreamError, NotFound, StoreDown
from core.model.events import Event
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.store.store import Store
from core.store.turns.records import Turn

log = structlog.get_logger()

LINGER_SECONDS = 5.0
"""A feed that nobody watches any more is kept this long: a reload or a reconnect finds it filled."""
EXPECT_SECONDS = 1.0
"""One that nobody watches yet: behind a load balancer its stream may be asked of another process."""
START_SECONDS = 0.5
"""How long the start of a turn that was just queued is waited for before the store is asked what became of it."""
DOWN_SECONDS = 1.0
"""Between two tries to fill a feed without RabbitMQ, while only the store can tell of it."""
LOG_BEHIND_SECONDS = 0.3
"""A session log is written four times a second at least: what is in it so long after we subscribed reaches to what we
hear."""


class Filling(Enum):
    """How much of the turn a live feed has."""

    EXPECTED = "the turn was queued a moment ago: who hears its start has missed nothing"
    MISSING = "something is missing: store and session log have it"
    JOINED = "the log was read, but there may be a gap between its end and the first event that will be heard"
    WHOLE = "nothing is missing"


class DirectTurns(Protocol):
    def own_feed(self, key: TurnKey) -> Feed | None:
        """Of a turn that this process runs by itself."""
        ...

    def ask(self, key: TurnKey, process_id: str) -> None:
        """Have a process publish a turn of its own, all of it. Raises BrokerDown."""
        ...


class LiveFeed:
    """One feed and the task that owns it: nobody else subscribes, reads its log or fills it."""

    def __init__(
        self,
        key: TurnKey,
        store: Store,
        inbox: Inbox,
        logs: BrokerConnection,
        direct: DirectTurns,
        on_done: Callable[[], None],
        *,
        is_new: bool,
    ) -> None:
        """`is_new`: the turn was queued a moment ago."""
        self.owner: str | None = None
        """The process that publishes a direct turn for us, and for as long as it is asked to."""
        self.feed = Feed(key)
        self._filling = Filling.EXPECTED if is_new else Filling.MISSING
        self._viewers = 0
        self._keep_seconds = EXPECT_SECONDS
        """How long it is kept without a viewer."""
        self._changed = asyncio.Event()
        """Set when there is something to do: to fill a gap, a viewer gone, the end."""
        self._subscription = FeedSubscription(self.feed, on_gap=self.refill, on_over=self._changed.set)
        self._subscribed_at: float | None = None
        """By the loop's time; None while it is not."""
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._inbox = inbox
        self._logs = logs
        self._direct = direct
        self._waits = False
        """Whether, at the last look, it waited for another turn of its session."""
        self._on_done = on_done
        self._task = asyncio.create_task(self._own(), name=f"feed {key}")

    @property
    def waits(self) -> bool:
        """As far as is known, for another turn of its session: then nobody tells of it."""
        return self._waits and not self.feed.attempt

    def enter(self) -> None:
        """A viewer comes."""
        self._viewers += 1
        self._keep_seconds = LINGER_SECONDS
        self._changed.set()

    def leave(self) -> None:
        self._viewers -= 1
        self._changed.set()

    def hear_anew(self) -> None:
        """The subscription was made again, and what came meanwhile was missed."""
        self._begin_to_hear()
        self.refill()

    def refill(self) -> None:
        self._filling = Filling.MISSING
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
                self._subscribed_at = None
                if self.feed.is_over or not self._viewers:  # no viewer came while it was unsubscribed
                    return
                self._filling = Filling.MISSING
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
            if self._filling is Filling.WHOLE:
                await self._changed.wait()
            else:
                await self._fill()

    async def _somebody_comes(self) -> bool:
        try:
            async with asyncio.timeout(self._keep_seconds):
                while not self._viewers:
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            return False
        return True

    async def _fill(self) -> None:
        """Until nothing is missing, or for a while: then it is called again."""
        was, self._filling = self._filling, Filling.WHOLE  # unless an event that comes meanwhile leaves a gap
        try:
            filling = await (self._expect() if was is Filling.EXPECTED else self._catch_up())
        except (BrokerDown, StoreDown):
            filling = Filling.MISSING
        if filling is Filling.WHOLE:
            self._subscription.early.clear()
            return
        self._filling = filling
        await asyncio.sleep(LOG_BEHIND_SECONDS if self._inbox.up else DOWN_SECONDS)
        if self._filling is Filling.JOINED:
            # What was heard meanwhile went on where the log had ended; else the log has it by now.
            is_whole = self._subscription.heard and not self._subscription.early
            self._filling = Filling.WHOLE if is_whole else Filling.MISSING

    async def _expect(self) -> Filling:
        """A turn that was just queued: hear it from its start, without asking the store."""
        if await self._subscribe() and await self._hears_start():
            return Filling.WHOLE if self._apply_all() else Filling.MISSING
        return await self._catch_up()

    async def _catch_up(self) -> Filling:
        """Subscribe, ask the store, read the log: in this order nothing falls between them."""
        feed = self.feed
        is_subscribed = await self._subscribe()
        try:
            turn = await self._store.turns.get(feed.key)
        except NotFound as error:
            feed.fail(error)
            return Filling.WHOLE
        if turn.finished:
            fill_from_store(feed, turn)
            return Filling.WHOLE
        self._waits = turn.status == "waiting"
        if self._waits:
            return Filling.WHOLE if is_subscribed else Filling.MISSING
        if turn.mode == "direct" and turn.owner is not None:
            own = self._direct.own_feed(feed.key)
            if own is not None:
                await self._copy(own)
                return Filling.WHOLE
            self.owner = turn.owner
            return await self._hear_owner(turn.owner) if is_subscribed else Filling.MISSING
        if turn.status == "running":
            joined = await self._read_log()
            return joined if is_subscribed else Filling.MISSING
        if feed.queue_position is None:  # it waits: there is no log yet
            feed.set_queue_position(await self._store.turns.position(turn))
        return Filling.WHOLE if is_subscribed and self._apply_all() else Filling.MISSING

    async def _read_log(self) -> Filling:
        subscribed_at, asked_at = self._subscribed_at, self._loop.time()
        events = await self._logs.hold(read_log(self._logs, self.feed.key))
        if not self._apply_all(events) or not self.feed.attempt or self._subscribed_at != subscribed_at:
            return Filling.MISSING
        reaches = subscribed_at is not None and asked_at - subscribed_at >= LOG_BEHIND_SECONDS
        return Filling.WHOLE if reaches or self._subscription.heard or self._subscription.early else Filling.JOINED

    async def _hear_owner(self, owner: str) -> Filling:
        """A direct turn has no session log: its owner tells all of it again."""
        heard = self._subscription.heard
        self._direct.ask(self.feed.key, owner)
        await self._until(lambda: self._subscription.heard > heard)
        return Filling.WHOLE if self._subscription.heard > heard and self._apply_all() else Filling.MISSING

    async def _copy(self, own: Feed) -> None:
        """A direct turn that waited when it was watched first, and runs in this process, to its end."""
        feed = self.feed
        with own.watch() as changed:
            while not feed.is_over:
                changed.clear()
                if own.attempt > feed.attempt:
                    feed.apply(own.snapshot())
                elif own.attempt:
                    feed.answer_by(own.model, own.provider)
                    feed.extend(own.tape.pieces(len(feed.tape)))
                if own.end is not None:
                    feed.finish(own.end)
                elif own.error is not None:
                    feed.fail(own.error)
                else:
                    await changed.wait()

    async def _hears_start(self) -> bool:
        """Whoever has heard a turn's start has missed nothing."""
        await self._until(lambda: self.feed.attempt > 0)
        return self.feed.attempt > 0

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """For a while."""
        with self.feed.watch() as changed, suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while not is_so():
                    await changed.wait()
                    changed.clear()

    async def _subscribe(self) -> bool:
        try:
            await self._inbox.subscribe(self.feed.key, self._subscription)
        except BrokerDown:
            return False
        if self._subscribed_at is None:
            self._begin_to_hear()
        return True

    def _begin_to_hear(self) -> None:
        self._subscribed_at = self._loop.time()
        self._subscription.renew()

    def _apply_all(self, logged: Iterable[Event] = ()) -> bool:
        """Whether nothing is missing up to the last of them. A log may begin with batches whose start it has dropped;
        a snapshot follows."""
        fits = [self.feed.apply(event) for event in (*logged, *self._subscription.early)]
        return not fits or fits[-1]


def fill_from_store(feed: Feed, turn: Turn) -> None:
    """Bring a feed to the end of a finished turn, from wherever it is."""
    if feed.end is not None:
        return
    stored = turn.read_tape(as_it_came=True)
    if turn.attempt > feed.attempt:
        if feed.is_continued_by(turn.origin or 0, len(stored)):
            feed.go_on(turn.attempt)
        else:
            feed.start(turn.attempt, turn.answerer, turn.restart_reason, turn.provider or "", origin=turn.origin)
    feed.extend(stored.pieces(len(feed.tape)))
    end = turn.end()
    if end is not None:
        feed.finish(end)
