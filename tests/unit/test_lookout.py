"""The lookout: looks for as long as somebody wants to know."""

import asyncio

import pytest

from core.bus.lookout import Lookout
from tests.patience import PATIENCE_SECONDS
from tests.unit.narrator.conftest import NO_BROKER

pytestmark = pytest.mark.anyio


async def test_who_comes_as_it_leaves_finds_it_looking() -> None:
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()

    lookout = Lookout(
        NO_BROKER, lambda _: None, look, lambda: None, look_seconds=0.001, linger_seconds=PATIENCE_SECONDS
    )
    with lookout.keep():
        await asyncio.wait_for(looked.wait(), PATIENCE_SECONDS)
    lookout._leave()  # as its timer does
    with lookout.keep():
        assert lookout._listener is not None
        for _ in range(10):  # what it has left stops
            await asyncio.sleep(0)
        assert lookout._listener is not None
        looked.clear()
        await asyncio.wait_for(looked.wait(), PATIENCE_SECONDS)
    await lookout.stop()


async def test_what_is_let_go_of_ends_though_all_stops_at_that_moment() -> None:
    async def look() -> None: ...

    lookout = Lookout(NO_BROKER, lambda _: None, look, lambda: None, look_seconds=1, linger_seconds=PATIENCE_SECONDS)
    tasks = asyncio.all_tasks()
    with lookout.keep():
        await asyncio.sleep(0)
    assert len(asyncio.all_tasks() - tasks) > 0
    lookout._leave()  # as its timer does
    await lookout.stop()
    assert asyncio.all_tasks() - tasks == set()
