"""What several unit tests rest on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.store.store import Store
from core.store.turns.records import NewTurn, Turn
from tests.unit.scripted import OWNER
from tests.unit.stepping import FakeTool


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A real one, empty."""
    store = Store(f"sqlite:///{tmp_path}/test.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def turn(store: Store) -> Turn:
    """One that was just claimed."""
    new = NewTurn(session_id="s", mode="queue", model="m", message="hi", options={})
    claimed = await store.ownership.claim((await store.turns.create(new)).turn.key, OWNER)
    assert isinstance(claimed, Turn)
    return claimed


@pytest.fixture
def now() -> FakeTool:
    return FakeTool("now")


@pytest.fixture
def again() -> FakeTool:
    return FakeTool("again", idempotent=True)


@pytest.fixture
async def agent_turn(store: Store) -> Turn:
    """The same, of an agent with the tools `now` and `again`."""
    agent = {"id": "a", "name": "A", "version": "1", "system": "Be brief.", "tools": ["now", "again"]}
    new = NewTurn(session_id="s", mode="queue", model="m", message="hi", input={"agent": agent}, options={})
    await store.turns.create(new)
    claimed = await store.ownership.claim((await store.turns.latest("s")).key, OWNER)
    assert isinstance(claimed, Turn)
    return claimed
