"""The ticks: nobody waits in calm times; under load all wait for the same tick."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.model.parts import Part, Text
from core.model.tape import Tape
from core.providers.base import GeneratedStream, Item
from core.turns.ticks import ACCOUNT_SECONDS, BUSY_RATE, CALM_RATE, LONGEST_TICK_SECONDS, TickScheduler
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


class Clock:
    """Stands in for the loop's clock, so that a rate is what the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now


class Gathered(GeneratedStream):
    """Has so many parts, one at each look, and counts the looks."""

    def __init__(self, *texts: str) -> None:
        super().__init__(nothing())
        self.looks = 0
        self._texts = [*texts]

    def ready_parts(self) -> list[Part]:
        self.looks += 1
        return [Text(self._texts.pop(0))] if self._texts else []


async def nothing() -> AsyncGenerator[Item]:
    return
    yield


def ignore(parts: list[Part]) -> None: ...


def paced(rate: float) -> TickScheduler:
    """One that has seen so many tokens per second."""
    ticks, clock = TickScheduler(), Clock()
    ticks._loop, loop = clock, ticks._loop  # type: ignore[assignment]
    ticks._since = clock.now
    clock.now += ACCOUNT_SECONDS
    ticks.count(round(rate * ACCOUNT_SECONDS))
    ticks._loop = loop
    return ticks


async def test_nobody_waits_in_calm_times() -> None:
    ticks = paced(CALM_RATE)
    waiting = ticks.wait(Gathered(), ignore)
    with pytest.raises(StopIteration):
        waiting.send(None)  # it returns without giving way


@pytest.mark.parametrize(
    ("rate", "share"),
    [(CALM_RATE, 0), (CALM_RATE * 1.1, 0), ((CALM_RATE + BUSY_RATE) / 2, 0.5), (BUSY_RATE, 1), (9 * BUSY_RATE, 1)],
)
async def test_a_tick_is_the_longer_the_more_there_is_to_do(rate: float, share: float) -> None:
    assert paced(rate)._tick_seconds == pytest.approx(share * LONGEST_TICK_SECONDS, rel=0.01)


async def test_under_load_all_wait_for_the_same_tick() -> None:
    ticks = paced(BUSY_RATE)
    begin = asyncio.get_running_loop().time()
    done: list[float] = []

    async def turn() -> None:
        await ticks.wait(Gathered(), ignore)
        done.append(asyncio.get_running_loop().time())

    await asyncio.gather(*(turn() for _ in range(20)))
    assert done[0] - begin >= LONGEST_TICK_SECONDS * 0.9
    assert done[-1] - done[0] < LONGEST_TICK_SECONDS / 2


async def test_what_has_come_is_taken_at_each_tick() -> None:
    ticks, stream, taken = paced(BUSY_RATE), Gathered("a", "b"), Tape()
    begin = asyncio.get_running_loop().time()
    await ticks.wait(stream, taken.extend)
    assert taken.text() == "ab"
    assert asyncio.get_running_loop().time() - begin >= 3 * LONGEST_TICK_SECONDS * 0.9
    assert stream.looks == 3


async def test_what_taking_raises_is_its_turns_alone() -> None:
    ticks = paced(BUSY_RATE)

    def refuse(parts: list[Part]) -> None:
        raise RuntimeError("refused")

    failing = asyncio.create_task(ticks.wait(Gathered("a"), refuse))
    staying = asyncio.create_task(ticks.wait(Gathered(), ignore))
    await asyncio.wait_for(staying, PATIENCE_SECONDS)
    with pytest.raises(RuntimeError, match="refused"):
        await failing


async def test_one_that_is_cancelled_takes_nobody_with_it() -> None:
    ticks = paced(BUSY_RATE)
    leaving, staying = (
        asyncio.create_task(ticks.wait(Gathered(), ignore)),
        asyncio.create_task(ticks.wait(Gathered(), ignore)),
    )
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait_for(staying, PATIENCE_SECONDS)


async def test_calm_returns() -> None:
    ticks, stream = paced(BUSY_RATE), Gathered("a", "b")

    def take(parts: list[Part]) -> None:
        ticks._since -= 10
        ticks.count(len(parts))

    await asyncio.wait_for(ticks.wait(stream, take), PATIENCE_SECONDS)
    assert not ticks.is_busy
    assert stream.looks == 1  # what is left is for whoever reads
