"""A timer that calls back when nothing has come for long."""

import asyncio

import pytest

from core.idle_timer import IdleTimer
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


async def test_it_calls_back_when_nothing_came() -> None:
    idle = asyncio.Event()
    with IdleTimer(0.01, idle.set):
        await asyncio.wait_for(idle.wait(), PATIENCE_SECONDS)


async def test_the_first_touch_has_its_own_time_and_those_after_it_have_theirs() -> None:
    """A service that was given long for its first byte must not be given as long for the second."""
    idle = asyncio.Event()
    with IdleTimer(0.01, idle.set, first_until=asyncio.get_running_loop().time() + 3600) as timer:
        await asyncio.sleep(0.05)
        assert not idle.is_set()
        timer.touch()
        await asyncio.wait_for(idle.wait(), PATIENCE_SECONDS)
