"""Each fault once, under load, and the books of every token. `./run.sh chaos` is the long run."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest

from tests.faults.books import Books
from tests.faults.broker import Broker, Node
from tests.faults.chaos import Chaos
from tests.faults.faults import (
    FAULTS,
    BrokerRestarted,
    DatabaseAway,
    DiskAlarm,
    Fault,
    MemoryAlarm,
    NetworkBlackHole,
    NodeKilled,
    RollingRestart,
    WorkerFrozen,
    WorkerKilled,
    WorkerStopped,
)
from tests.faults.load import Answer
from tests.faults.system import System
from tests.parts import require
from tests.postgres import Postgres
from tests.stack import BROKER

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

ANSWER = Answer(tokens=30, rate=10)
PEOPLE = 30
AT_ONCE = PEOPLE // 2
"""Of them who have an answer running when a fault strikes. On a slow machine somebody always waits for the next one."""
POLL_SECONDS = 0.05
SHOW_SECONDS = 20.0
"""From a fault's end until it shows in the books."""
MOST_STRIKES = 5
SEED = 1
RABBITMQCTL = os.environ.get("HOPSTREAM_TEST_RABBITMQCTL", "")


def silenced(books: Books) -> bool:
    return bool(books.recovery)


def only_silenced(books: Books) -> bool:
    return silenced(books) and not books.restarts["worker_lost"]


def restarted(reason: str) -> Callable[[Books], bool]:
    return lambda books: books.restarts[reason] > 0


TRACES: dict[type[Fault], Callable[[Books], bool]] = {
    WorkerKilled: restarted("worker_lost"),
    WorkerFrozen: restarted("worker_lost"),
    WorkerStopped: restarted("handed_over"),
    RollingRestart: restarted("handed_over"),
    BrokerRestarted: silenced,
    MemoryAlarm: silenced,
    DiskAlarm: silenced,
    NetworkBlackHole: silenced,
    DatabaseAway: only_silenced,
}
"""What these must leave in the books; otherwise they have struck nothing. The others may pass unnoticed."""


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    require(RABBITMQCTL, "no RabbitMQ that may be broken: HOPSTREAM_TEST_RABBITMQCTL is not set")
    with Broker([Node(BROKER, RABBITMQCTL)]) as broker:
        yield broker


@pytest.fixture(scope="module")
async def system(broker: Broker, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    home = tmp_path_factory.mktemp("faults")
    with System(home, broker, database=postgres.new_database(), grace=1, seed=SEED) as system:
        await system.start(apis=2, workers=2, concurrency=PEOPLE)
        yield system


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault is not NodeKilled], ids=lambda fault: fault.name)
async def test_nothing_is_lost(system: System, fault: type[Fault]) -> None:
    chaos = Chaos(system, SEED, ANSWER)
    books = chaos.books

    def shows() -> bool:
        return fault not in TRACES or TRACES[fault](books)

    async def strike_once_all_run() -> None:
        """On a machine that is busy with other things it may hit a worker that had nothing to do, or be over before
        anybody has noticed: then once more."""
        for _ in range(MOST_STRIKES):
            await _until(lambda: books.accepted >= PEOPLE and books.running >= AT_ONCE)
            await chaos.strike(fault())
            with suppress(TimeoutError):
                async with asyncio.timeout(SHOW_SECONDS):
                    await _until(shows)
            if shows():
                return

    await chaos.load(PEOPLE, strike_once_all_run())

    assert books.violations + system.misbehaved() == []
    assert books.completed > 0
    assert shows(), json.dumps(books.as_json())


async def _until(condition: Callable[[], bool]) -> None:
    while True:
        await asyncio.sleep(POLL_SECONDS)
        if condition():
            return
