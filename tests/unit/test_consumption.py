"""A worker that takes no jobs though it should is stuck; one that has not begun yet has longer."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from core.broker.connection import BrokerConnection
from workers import liveness
from workers.liveness import START_SECONDS, ConsumptionCheck, Slots

pytestmark = pytest.mark.anyio

STUCK_SECONDS = 30.0


class Broker:
    """Jobs wait there."""

    async def call(self, _: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
        return 1


class Worker:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.slots = Slots(busy=0, free=1, accepted=0, is_consuming=False)
        monkeypatch.setattr(liveness, "monotonic", lambda: self.now)
        self.consumption = ConsumptionCheck(cast(BrokerConnection, Broker()), lambda: self.slots, STUCK_SECONDS)

    async def is_stuck_after(self, seconds: float) -> bool:
        self.now += seconds
        await self.consumption.check()
        return self.consumption.stuck


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(monkeypatch)


async def test_a_slow_start_is_not_stuck_and_one_without_an_end_is(worker: Worker) -> None:
    assert not await worker.is_stuck_after(2 * STUCK_SECONDS)
    assert await worker.is_stuck_after(START_SECONDS)


async def test_from_its_first_job_s_coming_on_it_has_so_long(worker: Worker) -> None:
    assert not await worker.is_stuck_after(START_SECONDS - 1)
    worker.slots = worker.slots._replace(is_consuming=True)
    assert not await worker.is_stuck_after(2)
    assert not await worker.is_stuck_after(STUCK_SECONDS - 1)
    worker.slots = worker.slots._replace(accepted=1)
    assert not await worker.is_stuck_after(2)
    assert await worker.is_stuck_after(STUCK_SECONDS)


async def test_one_without_a_free_slot_is_busy(worker: Worker) -> None:
    worker.slots = Slots(busy=1, free=0, accepted=1)
    assert not await worker.is_stuck_after(2 * START_SECONDS)
