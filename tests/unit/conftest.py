"""What several unit tests rest on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.store.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A real one, empty."""
    store = Store(f"sqlite:///{tmp_path}/test.db")
    await store.open()
    yield store
    await store.close()
