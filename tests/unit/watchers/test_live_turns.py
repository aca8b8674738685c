"""Live turns: what runs anywhere, by the store's word, and only while somebody watches."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from api.streams.feeds import Feeds
from api.watchers import live_turns
from api.watchers.live_turns import LiveTurns
from core.bus.messages import BusMessage
from core.model.errors import Closing, TooManyStreams
from core.model.events import Done
from core.model.keys import TurnKey
from core.model.tape import Tape
from core.store.store import Store
from core.store.turns.records import NewTurn
from core.store.turns.watched import WatchedTurn
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

OWNER = "worker-here-1-a"
NO_BROKER = "amqp://localhost:1/"


class Hearing:
    """A watcher that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.seen_until = 0.0
        self.closed_by: Exception | None = None

    def may_want(self, message: BusMessage) -> bool:
        return True

    def consider(self, turn: WatchedTurn) -> None:
        self.told.append((turn.key.session_id, turn.status))

    def has_seen_all(self, until: float) -> None:
        self.seen_until = until

    def close(self, error: Exception) -> None:
        self.closed_by = error


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_turns, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(live_turns, "LINGER_SECONDS", 0.01)


@pytest.fixture
def live(store: Store) -> LiveTurns:
    return LiveTurns(store, cast(Feeds, None), NO_BROKER, max_watchers=2)


async def ask(store: Store, session_id: str) -> TurnKey:
    new = NewTurn(session_id=session_id, mode="queue", model="m", message="hi", options={})
    return (await store.turns.create(new)).turn.key


async def test_the_store_alone_is_enough(live: LiveTurns, store: Store) -> None:
    hearing = Hearing()
    with live.join(hearing):
        key = await ask(store, "s")
        await until(lambda: ("s", "queued") in hearing.told)
        await store.ownership.claim(key, OWNER)
        await until(lambda: ("s", "running") in hearing.told)
        await store.ownership.finish(key, OWNER, Tape(), Done(1, 0, "stop"))
        await until(lambda: ("s", "done") in hearing.told)
        await until(lambda: hearing.seen_until)
    assert hearing.told[:2] == [("s", "queued"), ("s", "running")]
    await live.stop()


async def test_nobody_looks_once_nobody_watches(live: LiveTurns, store: Store) -> None:
    others = asyncio.all_tasks()
    looks = 0
    look = store.watched.look

    async def counted(since: float | None = None) -> object:
        nonlocal looks
        looks += 1
        return await look(since)

    store.watched.look = counted  # type: ignore[method-assign,assignment]
    for _ in range(2):  # and again for the next one
        with live.join(Hearing()):
            before = looks
            await until(lambda before=before: looks > before + 2)  # type: ignore[misc]
        await until(lambda: asyncio.all_tasks() == others)
    await live.stop()


async def test_there_is_room_for_so_many(live: LiveTurns) -> None:
    with live.join(Hearing()), live.join(Hearing()), pytest.raises(TooManyStreams), live.join(Hearing()):
        pass
    with live.join(Hearing()):
        pass
    await live.stop()


async def test_a_process_that_stops_sends_all_away(live: LiveTurns) -> None:
    hearing = Hearing()
    with live.join(hearing):
        live.close()
        assert isinstance(hearing.closed_by, Closing)
    with pytest.raises(Closing), live.join(Hearing()):
        pass
    await live.stop()
