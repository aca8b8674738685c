"""What several unit tests rest on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.store.store import Store
from core.store.turns.records import NewTurn, Turn
from tests.unit.scripted import OWNER


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
