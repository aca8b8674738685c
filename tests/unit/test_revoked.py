"""A job that was revoked before it ran: its turn is cancelled, and no other."""

from typing import cast

import pytest

from core.broker.link import Link
from core.events import Done
from core.keeper import Keeper
from core.keys import TurnKey
from core.providers.demo import DemoProvider
from core.settings import Settings
from core.store.records import NewTurn, Turn
from core.store.store import Store
from core.tape import Tape
from tests.unit.fake_link import FakeLink
from workers.turns import Turns

pytestmark = pytest.mark.anyio

PROCESS = "worker-here-1-a"


@pytest.fixture
async def turns(store: Store) -> Turns:
    return Turns(
        store=store,
        link=cast(Link, FakeLink()),
        keeper=Keeper(store, PROCESS, "worker"),
        provider=DemoProvider(),
        settings=Settings(_env_file=None),
        process_id=PROCESS,
    )


async def _queue(store: Store) -> TurnKey:
    new = NewTurn(session_id="s", mode="queue", model="m", message="hi", options={})
    return (await store.turns.create(new)).turn.key


async def test_its_turn_is_cancelled(store: Store, turns: Turns) -> None:
    key = await _queue(store)
    await turns.cancel(key)
    assert (await store.turns.get(key)).finish_reason == "cancelled"


async def test_a_later_turn_of_the_session_is_not(store: Store, turns: Turns) -> None:
    first = await _queue(store)
    assert isinstance(await store.ownership.claim(first, PROCESS), Turn)
    await store.ownership.finish(first, PROCESS, Tape(), Done(1, 0, "stop"))
    second = await _queue(store)
    await turns.cancel(first)
    assert (await store.turns.get(second)).status == "queued"
