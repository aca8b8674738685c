"""Orphans: turns that lost their owner, or their job, are found, and queued again or ended once."""

import asyncio

import pytest

from core.model.context import RequestContext
from core.model.events import Done
from core.model.parts import Text
from core.model.tape import Tape
from core.store.liveness import SILENT_SECONDS
from core.store.store import Store
from core.store.turns.orphans import OVERDUE_SECONDS, REQUEUE_SECONDS, Requeued, process_lost
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

ANSWER = Tape([Text("answer")])


async def test_only_a_turn_without_a_living_owner_is_ended_by_others(store: Store, make: Maker) -> None:
    end = Done(1, 0, "cancelled")
    turn = await make.running(await make.process("worker"))
    assert not await store.orphans.finish(turn.key, end)
    await make.age(SILENT_SECONDS + 1, process="worker")
    assert await store.orphans.finish(turn.key, end)
    assert not await store.orphans.finish(turn.key, end)


async def test_an_orphan_is_queued_again_by_one_of_many(store: Store, make: Maker) -> None:
    turn = await make.running(await make.process("dead"))
    await make.running(await make.process("alive"), "other")
    assert await store.orphans.requeue_lost() == []
    await make.age(SILENT_SECONDS + 1, process="dead")
    found = await asyncio.gather(*(store.orphans.requeue_lost() for _ in range(10)))
    assert [again.key for requeued in found for again in requeued] == [turn.key]
    await make.age(REQUEUE_SECONDS + 1, key=turn.key)
    assert [again.key for again in await store.orphans.requeue_lost()] == [turn.key]


async def test_a_turn_that_is_queued_again_tells_of_the_same_request(store: Store, make: Maker) -> None:
    context = RequestContext("request-1", {"traceparent": "00-ab-cd-01"})
    orphan = await make.running(await make.process("dead"), "orphan", context=context)
    await make.age(SILENT_SECONDS + 1, process="dead")
    (again,) = await store.orphans.requeue_lost()
    assert (again.key, again.context) == (orphan.key, context)
    overdue = [await make.queued("overdue", context=context), await make.queued("of nobody")]
    for turn in overdue:
        await make.age(OVERDUE_SECONDS + 1, key=turn.key)
    requeued = [Requeued(overdue[0].key, context, None), Requeued(overdue[1].key, RequestContext(), None)]
    found = [again._replace(silent_beat=0) for again in await store.orphans.requeue_overdue(None)]
    assert sorted(found) == sorted(requeued)


async def test_an_overdue_turn_is_queued_again_by_one_of_many(store: Store, make: Maker) -> None:
    turn = await make.queued()
    assert await store.orphans.overdue_queues() == []
    assert await store.orphans.requeue_overdue(None) == []
    await make.age(OVERDUE_SECONDS + 1, key=turn.key)
    assert await store.orphans.overdue_queues() == [None]
    found = await asyncio.gather(*(store.orphans.requeue_overdue(None) for _ in range(10)))
    assert [again.key for requeued in found for again in requeued] == [turn.key]


async def test_direct_turns_of_dead_processes_are_ended_and_not_queued(store: Store, make: Maker) -> None:
    for api in ("dead", "alive"):
        await make.queued(api, mode="direct", owner=await make.process(api, "api"))
    await make.age(SILENT_SECONDS + 1, process="dead")
    (lost,) = await store.orphans.lost_direct()
    assert lost.session_id == "dead"
    assert await store.orphans.lost_direct("alive") == []
    assert await store.orphans.requeue_lost() == []
    assert await store.orphans.finish(lost.key, process_lost(lost))
    ended = await store.turns.get(lost.key)
    assert (ended.status, ended.error_code) == ("error", "process_lost")


async def test_cancelled_orphans_are_found(store: Store, make: Maker) -> None:
    for session, owner in (("a", "dead"), ("b", "alive"), ("c", "dead")):
        await make.running(await make.process(owner), session)
    for session in ("a", "b"):
        await store.turns.request_cancel(session)
    assert await store.orphans.cancelled() == []
    await make.age(SILENT_SECONDS + 1, process="dead")
    assert [turn.session_id for turn in await store.orphans.cancelled()] == ["a"]


async def test_logs_are_left_by_the_dead_alone(store: Store, make: Maker) -> None:
    keys = {}
    for session, owner in (("a", "dead"), ("b", "alive"), ("c", "dead"), ("d", "left")):
        turn = await make.running(await make.process(owner), session)
        await store.ownership.finish(turn.key, owner, ANSWER, Done(1, 6, "stop"))
        keys[session] = turn.key
    await make.running("dead", "running")
    await store.processes.leave("left")
    await make.age(SILENT_SECONDS + 1, process="dead")
    await make.age(3600, key=keys["c"])
    assert await store.orphans.left_logs() == [keys["a"]]
