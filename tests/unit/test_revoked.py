"""A job that was revoked before it ran: its turn is cancelled, and no other."""

from typing import cast

import pytest

from core.broker.connection import BrokerConnection
from core.model.events import Done
from core.model.keys import TurnKey
from core.model.tape import Tape
from core.providers.demo import DemoProvider
from core.settings import Settings
from core.store.records import NewTurn, Turn
from core.store.store import Store
from core.turns.keeper import Keeper
from tests.unit.fake_connection import FakeConnection
from workers.turn_handler import TurnHandler

pytestmark = pytest.mark.anyio

PROCESS = "worker-here-1-a"


@pytest.fixture
async def turns(store: Store) -> TurnHandler:
    return TurnHandler(
        store=store,
        connection=cast(BrokerConnection, FakeConnection()),
        keeper=Keeper(store, PROCESS, "worker"),
        provider=DemoProvider(),
        settings=Settings(_env_file=None),
        process_id=PROCESS,
    )


async def _queue(store: Store) -> TurnKey:
    new = NewTurn(session_id="s", mode="queue", model="m", message="hi", options={})
    return (await store.turns.create(new)).turn.key


async def test_its_turn_is_cancelled(store: Store, turns: TurnHandler) -> None:
    key = await _queue(store)
    await turns.cancel(key)
    assert (await store.turns.get(key)).finish_reason == "cancelled"


async def test_a_later_turn_of_the_session_is_not(store: Store, turns: TurnHandler) -> None:
    first = await _queue(store)
    assert isinstance(await store.ownership.claim(first, PROCESS), Turn)
    await store.ownership.finish(first, PROCESS, Tape(), Done(1, 0, "stop"))
    second = await _queue(store)
    await turns.cancel(first)
    assert (await store.turns.get(second)).status == "queued"
