"""Direct turns are published while somebody asks for them, and not a moment longer."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from api.streams import direct_publishing
from api.streams.direct_publishing import DirectPublishing
from core.model.events import Batch, Done, Snapshot, Start
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Text
from core.turns.owner import TurnOwner
from core.turns.ticks import TickScheduler
from tests.patience import PATIENCE_SECONDS
from tests.unit.fake_connection import FakeConnection
from tests.unit.leases import lasting_lease

pytestmark = pytest.mark.anyio

KEY = TurnKey("s", 1)
OURS = "api-here-1-a"
LONG = "x" * 100


class Side:
    """A process, and its direct turn."""

    def __init__(self) -> None:
        self.connection = FakeConnection()
        self.feed = Feed(KEY)
        run = SimpleNamespace(turn=SimpleNamespace(key=KEY), feed=self.feed)
        self.runs = {KEY: run}
        keeper = SimpleNamespace(runs=self.runs, lease=lasting_lease())
        services = SimpleNamespace(process_id=OURS, ticks=TickScheduler())
        owner = SimpleNamespace(connection=self.connection, keeper=keeper, runs=services)
        self.publishing = DirectPublishing(cast(TurnOwner, owner))


@pytest.fixture
async def owner() -> Side:
    return Side()


async def asked(key: TurnKey, *, anew: bool = True) -> bytes:
    """A request as another process sends it."""
    other = Side()
    if anew:
        other.publishing.ask(key, OURS)
    else:
        other.publishing.ask_on([(key, OURS)])
    routing_key, body = await other.connection.fake.next()
    assert routing_key == other.publishing.own_key
    return body


async def test_a_turn_is_published_from_its_beginning_once_it_is_asked_for(owner: Side) -> None:
    owner.feed.start(1, "m")
    owner.feed.extend([Text(LONG)])
    assert owner.connection.fake.sent.empty()
    owner.publishing.on_request(await asked(KEY))
    assert await owner.connection.next() == Start(1, "m")
    assert await owner.connection.next() == Batch(1, 0, [Text(LONG)])
    owner.feed.extend([Text("b")])
    assert await owner.connection.next() == Batch(1, 100, [Text("b")])
    owner.feed.finish(Done(1, 101, "stop"))
    assert await owner.connection.next() == Done(1, 101, "stop")
    await owner.publishing.stop()


async def test_who_has_not_heard_it_gets_all_of_it_again(owner: Side) -> None:
    owner.feed.start(1, "m")
    owner.publishing.on_request(await asked(KEY))
    assert await owner.connection.next() == Start(1, "m")
    owner.feed.extend([Text(LONG)])
    await owner.connection.next()
    owner.publishing.on_request(await asked(KEY, anew=False))
    owner.publishing.on_request(await asked(KEY))
    assert await owner.connection.next() == Snapshot(1, "m", [Text(LONG)])
    await owner.publishing.stop()


async def test_a_turn_that_nobody_wants_any_more_is_published_no_more(
    owner: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_publishing, "WANTED_SECONDS", 0.02)
    owner.feed.start(1, "m")
    owner.publishing.on_request(await asked(KEY))
    await owner.connection.next()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while owner.publishing.published:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    owner.feed.extend([Text("a")])
    assert owner.connection.fake.sent.empty()
    owner.publishing.on_request(await asked(KEY, anew=False))
    assert await owner.connection.next() == Start(1, "m")
    await owner.publishing.stop()


async def test_turns_that_are_not_ours_and_requests_that_are_none_do_nothing(owner: Side) -> None:
    owner.publishing.on_request(await asked(TurnKey("another", 1)))
    owner.publishing.on_request(b"\xc1")
    assert not owner.publishing.published
    await owner.publishing.stop()


async def test_a_broker_that_is_away_is_asked_again_later(owner: Side) -> None:
    owner.connection.is_down = True
    owner.publishing.ask_on([(KEY, OURS)])
    assert owner.connection.refused == 1
