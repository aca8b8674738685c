"""The pace: nobody waits in calm times; under load all wait for the same tick."""

import asyncio

import pytest

from core.pace import ACCOUNT_SECONDS, BUSY_RATE, CALM_RATE, LONGEST_TICK_SECONDS, Pace

pytestmark = pytest.mark.anyio


class Clock:
    """Stands in for the loop's clock, so that a rate is what the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now


def paced(rate: float) -> Pace:
    """One that has seen so many tokens per second."""
    pace, clock = Pace(), Clock()
    pace._loop, loop = clock, pace._loop  # type: ignore[assignment]
    pace._since = clock.now
    clock.now += ACCOUNT_SECONDS
    pace.count(round(rate * ACCOUNT_SECONDS))
    pace._loop = loop
    return pace


async def test_nobody_waits_in_calm_times() -> None:
    pace = paced(CALM_RATE)
    waiting = pace.wait()
    with pytest.raises(StopIteration):
        waiting.send(None)  # it returns without giving way


@pytest.mark.parametrize(
    ("rate", "share"), [(CALM_RATE, 0), ((CALM_RATE + BUSY_RATE) / 2, 0.5), (BUSY_RATE, 1), (9 * BUSY_RATE, 1)]
)
async def test_a_tick_is_the_longer_the_more_there_is_to_do(rate: float, share: float) -> None:
    assert paced(rate)._tick_seconds == pytest.approx(share * LONGEST_TICK_SECONDS, rel=0.01)


async def test_under_load_all_wait_for_the_same_tick() -> None:
    pace = paced(BUSY_RATE)
    begin = asyncio.get_running_loop().time()
    done: list[float] = []

    async def turn() -> None:
        await pace.wait()
        done.append(asyncio.get_running_loop().time())

    await asyncio.gather(*(turn() for _ in range(20)))
    assert done[0] - begin >= LONGEST_TICK_SECONDS * 0.9
    assert done[-1] - done[0] < LONGEST_TICK_SECONDS / 2


async def test_one_that_is_cancelled_takes_nobody_with_it() -> None:
    pace = paced(BUSY_RATE)
    leaving, staying = asyncio.create_task(pace.wait()), asyncio.create_task(pace.wait())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait_for(staying, 2)


async def test_calm_returns() -> None:
    pace = paced(BUSY_RATE)
    await pace.wait()
    pace._since -= 10
    pace.count(1)
    assert pace._tick_seconds == 0
