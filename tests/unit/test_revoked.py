"""A job that was revoked before it ran: its turn is cancelled, and no other."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from core.broker.connection import BrokerConnection
from core.model.events import Done
from core.model.keys import TurnKey
from core.model.tape import Tape
from core.settings import Settings
from core.store.store import Store
from core.store.turns.records import NewTurn, Turn
from core.turns.owner import TurnOwner
from tests.unit.fake_connection import FakeConnection
from workers.turn_handler import TurnHandler

pytestmark = pytest.mark.anyio

PROCESS = "worker-here-1-a"


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[TurnOwner]:
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/test.db")
    owner = TurnOwner("worker", settings, cast(BrokerConnection, FakeConnection()))
    await owner.store.open()
    yield owner
    await owner.stop()


@pytest.fixture
def store(owner: TurnOwner) -> Store:
    return owner.store


@pytest.fixture
def turns(owner: TurnOwner) -> TurnHandler:
    return TurnHandler(owner)


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
