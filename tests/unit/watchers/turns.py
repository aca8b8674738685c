"""Turns for a watcher's tests, with feeds that the test fills; and a reader that may stop reading."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import msgspec

from api.watchers.batches import Pace
from api.watchers.framing import SseFraming
from api.watchers.live_turns import LiveTurns, TurnWatcher
from api.watchers.progress import Resumption
from api.watchers.subscriptions import Subscription, Subscriptions
from api.watchers.watcher import Watcher
from api.wires.base import Frames
from core.model.events import Done
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Text
from core.store.reach import EVERYTHING, Reach
from core.store.turns.records import Labels
from core.store.turns.watched import Look, WatchedTurn
from tests.patience import PATIENCE_SECONDS
from tests.unit.wires.sinks import KeepingSink
from tests.watching import Event, Screen

EVERY = Subscription()
NOW = 1_800_000_000.0
"""By the database's clock."""


class FakeLiveTurns:
    """Running turns, and finished ones, of which a watcher is told when the test says so."""

    def __init__(self) -> None:
        self.now = NOW
        self.watchers: set[TurnWatcher] = set()
        self.feeds: dict[TurnKey, Feed] = {}
        self.turns: dict[TurnKey, WatchedTurn] = {}
        self.held: list[TurnKey] = []
        """Feeds that are being followed."""

    def pass_time(self, seconds: float) -> None:
        """And look, as is done now and then."""
        self.now += seconds
        for watcher in list(self.watchers):
            watcher.has_seen_all(self.now)

    def begin(self, session_id: str, *, goal_id: str | None = None, **changes: Any) -> Feed:
        """A turn that runs."""
        self.now += 0.01
        key = TurnKey(session_id, 1)
        turn = WatchedTurn(
            key=key,
            mode="queue",
            status="running",
            attempt=1,
            owner="w",
            model="m",
            labels=Labels(goal_id),
            key_name=None,
            created_at=self.now,
            started_at=self.now,
            finished_at=None,
            finish_reason=None,
        )
        turn = msgspec.structs.replace(turn, **changes)
        feed = self.feeds[key] = Feed(key)
        feed.start(1, "m")
        self.tell(turn)
        return feed

    def end(self, feed: Feed) -> None:
        """In order."""
        self.now += 0.01
        feed.finish(Done(feed.attempt, len(feed.tape), "stop"))
        ended = {"status": "done", "finish_reason": "stop", "finished_at": self.now}
        self.tell(msgspec.structs.replace(self.turns[feed.key], **ended))

    def tell(self, turn: WatchedTurn) -> None:
        self.turns[turn.key] = turn
        for watcher in list(self.watchers):
            watcher.consider(turn)

    @contextmanager
    def join(self, watcher: TurnWatcher) -> Iterator[None]:
        self.watchers.add(watcher)
        try:
            yield
        finally:
            self.watchers.discard(watcher)

    async def look(self, since: float | None, reach: Reach) -> Look:
        earliest = self.now if since is None else since
        found = [turn for turn in self.turns.values() if turn.finished_at is None or turn.finished_at >= earliest]
        return Look(self.now, found)

    def runs(self, key: TurnKey) -> bool:
        return key in self.turns and not self.turns[key].finished

    @contextmanager
    def follow(self, turn: WatchedTurn) -> Iterator[Feed]:
        self.held.append(turn.key)
        try:
            yield self.feeds[turn.key]
        finally:
            self.held.remove(turn.key)

    async def read(self, turn: WatchedTurn) -> Feed | None:
        return self.feeds.get(turn.key)


class SizingSink(KeepingSink):
    largest = 0
    """Bytes that came at once."""
    is_full = False
    """Whether something waits for it to read on."""

    async def send(self, frames: Frames) -> None:
        self.is_full = not self.is_ready
        await super().send(frames)
        self.is_full = False

    def _take(self, frames: Frames) -> None:
        self.largest = max(self.largest, sum(map(len, frames)))
        super()._take(frames)


class Reading:
    """A watcher at work, and what its reader got."""

    def __init__(self, turns: FakeLiveTurns, first: Subscription, pace: Pace, resumption: Resumption | None) -> None:
        self.sink = SizingSink()
        self.watcher = Watcher(
            cast(LiveTurns, turns),
            Subscriptions(EVERYTHING, first),
            SseFraming(resumption),
            self.sink,
            pace,
            resumption,
        )
        self.running = asyncio.create_task(self.watcher.run())

    @property
    def frames(self) -> Frames:
        """Those of events."""
        return [frame for frame in self.sink.frames if frame.startswith(b"event")]

    @property
    def events(self) -> list[Event]:
        events = []
        for frame in self.frames:
            fields = dict(line.decode().split(": ", 1) for line in frame.splitlines() if line)
            events.append(Event(fields["event"], msgspec.json.decode(fields["data"]), fields.get("id")))
            events[-1].check()
        return events

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    def screen(self, session_id: str) -> Screen:
        screen = Screen()
        for event in self.events:
            if event.data.get("requestId") == f"{session_id}.1":
                screen.read(event)
        return screen

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def said(self, session_id: str, text: str) -> None:
        await self.until(lambda: self.screen(session_id).text == text)


@asynccontextmanager
async def reading(
    turns: FakeLiveTurns,
    first: Subscription = EVERY,
    *,
    gather_seconds: float = 0.001,
    events_per_second: int = 1_000_000,
    resumption: Resumption | None = None,
) -> AsyncIterator[Reading]:
    """Once it is ready."""
    reader = Reading(turns, first, Pace(gather_seconds, events_per_second), resumption)
    await reader.until(lambda: reader.sink.frames or reader.running.done())
    try:
        yield reader
    finally:
        reader.running.cancel()
        await asyncio.wait([reader.running])


def say(feed: Feed, *texts: str) -> None:
    feed.extend([Text(text) for text in texts])
