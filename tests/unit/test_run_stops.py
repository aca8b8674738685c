"""Generation: whoever stops a run closes its request."""

import asyncio

import pytest

from core.model.events import Done, Failed, Usage
from core.model.parts import Text
from core.providers.base import Told
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.run import Stop
from tests.unit.scripted import FINISH, Scripted, run_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        (Stop.CANCELLED, Done(1, 4, "cancelled", Usage(9, 1), "m-2026", "demo")),
        (Stop.TIME_LIMIT, Failed(1, 4, "time_limit", "the turn took longer than MAX_TURN_SECONDS")),
        (Stop.HANDED_OVER, None),
        (Stop.LOST, None),
    ],
)
async def test_a_stop_closes_the_request(store: Store, turn: Turn, reason: Stop, end: Done | Failed | None) -> None:
    told = Told(Usage(9, 1), "m-2026")
    run = run_of(turn, store, provider := Scripted([Text("half")], endless=True, told=told))
    with run.feed.watch() as changed:
        executing = asyncio.create_task(run.execute())
        while not len(run.feed.tape):
            changed.clear()
            await changed.wait()
        run.stop(reason)
        run.stop(Stop.CANCELLED)  # the first reason counts
        await executing
    assert (run.feed.end, provider.closed) == (end, 1)
    assert (await store.turns.get(turn.key)).end() == end


async def test_an_abandoned_run_takes_its_request_along(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("half")], endless=True))
    with run.feed.watch() as changed:
        executing = asyncio.create_task(run.execute())
        while not len(run.feed.tape):
            changed.clear()
            await changed.wait()
    executing.cancel()
    await asyncio.wait([executing])
    while not provider.closed:  # noqa: ASYNC110 - a count has no event
        await asyncio.sleep(0)


async def test_a_stop_before_it_began(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("a"), FINISH]))
    run.stop(Stop.CANCELLED)
    await run.execute()
    assert (run.feed.end, provider.requests) == (Done(1, 0, "cancelled"), [])
