"""Ownership: one process runs a turn; whoever lost it can write nothing; what lost its owner is found."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from core.model.context import RequestContext
from core.model.events import Done, Failed
from core.model.parts import Text
from core.model.tape import Tape
from core.store.ownership import MAX_LOST_ATTEMPTS, OVERDUE_SECONDS, REQUEUE_SECONDS, Held, Requeued, process_lost
from core.store.processes import SILENT_SECONDS
from core.store.records import Turn
from core.store.store import Store
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

ANSWER = Tape([Text("answer")])


async def test_of_twenty_claims_at_once_one_wins(store: Store, make: Maker) -> None:
    turn = await make.queued()
    owners = [await make.process(f"worker-{n}") for n in range(20)]
    claims = await asyncio.gather(*(store.ownership.claim(turn.key, owner) for owner in owners))
    (won,) = [claim for claim in claims if isinstance(claim, Turn)]
    assert (won.attempt, won.status, won.restart_reason) == (1, "running", None)
    assert claims.count(Held.BUSY) == 19


async def test_of_twenty_takeovers_at_once_one_wins(store: Store, make: Maker) -> None:
    turn = await make.running(await make.process("dead"))
    await make.age(SILENT_SECONDS + 0.5, process="dead")
    owners = [await make.process(f"worker-{n}") for n in range(20)]
    claims = await asyncio.gather(*(store.ownership.claim(turn.key, owner) for owner in owners))
    (won,) = [claim for claim in claims if isinstance(claim, Turn)]
    assert (won.attempt, won.restart_reason) == (2, "worker_lost")


async def test_a_turn_is_taken_over_only_once_its_owner_is_silent(store: Store, make: Maker) -> None:
    turn = await make.running(await make.process("first"))
    await make.age(SILENT_SECONDS - 1, process="first")
    assert await store.ownership.claim(turn.key, "second") is Held.BUSY
    await make.age(1.5, process="first")
    taken = await store.ownership.claim(turn.key, "second")
    assert isinstance(taken, Turn)
    assert (taken.attempt, taken.owner, taken.lost_attempts) == (2, "second", 1)


async def test_a_turn_is_given_up_after_its_lost_attempts(store: Store, make: Maker) -> None:
    turn = await make.queued()
    for attempt in range(1, MAX_LOST_ATTEMPTS + 1):
        claimed = await store.ownership.claim(turn.key, f"dead-{attempt}")
        assert isinstance(claimed, Turn)
        assert claimed.attempt == attempt
    assert await store.ownership.claim(turn.key, "next") is Held.EXHAUSTED
    assert await store.ownership.finish_orphan(turn.key, Failed(3, 0, "attempts_exhausted", "given up"))
    assert await store.ownership.claim(turn.key, "next") is Held.FINISHED


async def test_hand_overs_do_not_count_as_lost(store: Store, make: Maker) -> None:
    turn = await make.queued()
    for attempt in range(1, 3 * MAX_LOST_ATTEMPTS):
        claimed = await store.ownership.claim(turn.key, "worker")
        assert isinstance(claimed, Turn)
        assert (claimed.attempt, claimed.restart_reason) == (attempt, "handed_over" if attempt > 1 else None)
        assert await store.ownership.hand_over(turn.key, attempt, "worker")


async def test_abandoned_attempts_do(store: Store, make: Maker) -> None:
    turn = await make.queued()
    for attempt in range(1, MAX_LOST_ATTEMPTS + 1):
        assert isinstance(await store.ownership.claim(turn.key, "worker"), Turn)
        assert await store.ownership.abandon(turn.key, attempt, "worker")
    assert await store.ownership.claim(turn.key, "worker") is Held.EXHAUSTED


async def test_dropped_attempts_count_and_are_told(store: Store, make: Maker) -> None:
    turn = await make.running(await make.process("worker"))
    assert [await store.ownership.next_attempt(turn.key, attempt, "worker") for attempt in (1, 2, 3)] == [2, 3, None]
    assert (await store.turns.get(turn.key)).restart_reason == "provider_drop"


async def test_a_finished_and_a_deleted_turn_are_not_claimed(store: Store, make: Maker) -> None:
    turn = await make.running("worker")
    await store.ownership.finish(turn.key, "worker", ANSWER, Done(1, 6, "stop"))
    assert await store.ownership.claim(turn.key, "other") is Held.FINISHED
    await store.sessions.delete("s")
    assert await store.ownership.claim(turn.key, "other") is Held.GONE


Write = Callable[[Store, Turn, int, str], Awaitable[object]]
WRITES: dict[str, Write] = {
    "finish": lambda store, turn, n, owner: store.ownership.finish(turn.key, owner, ANSWER, Done(n, 6, "stop")),
    "hand_over": lambda store, turn, n, owner: store.ownership.hand_over(turn.key, n, owner),
    "abandon": lambda store, turn, n, owner: store.ownership.abandon(turn.key, n, owner),
    "next_attempt": lambda store, turn, n, owner: store.ownership.next_attempt(turn.key, n, owner),
}


@pytest.mark.parametrize("write", WRITES)
async def test_a_zombie_can_write_nothing(store: Store, make: Maker, write: str) -> None:
    turn = await make.running(await make.process("zombie"))
    await make.age(SILENT_SECONDS + 1, process="zombie")
    taken = await store.ownership.claim(turn.key, await make.process("heir"))
    await make.process("zombie")  # it thaws
    for attempt in (1, 2):
        assert not await WRITES[write](store, turn, attempt, "zombie")
    assert not await WRITES[write](store, turn, 1, "heir")
    assert await store.turns.get(turn.key) == taken
    assert await WRITES[write](store, turn, 2, "heir")


async def test_only_a_turn_without_a_living_owner_is_ended_by_others(store: Store, make: Maker) -> None:
    end = Done(1, 0, "cancelled")
    turn = await make.running(await make.process("worker"))
    assert not await store.ownership.finish_orphan(turn.key, end)
    await make.age(SILENT_SECONDS + 1, process="worker")
    assert await store.ownership.finish_orphan(turn.key, end)
    assert not await store.ownership.finish_orphan(turn.key, end)


async def test_mine_are_those_that_i_run(store: Store, make: Maker) -> None:
    mine, other = await make.running("me", "a"), await make.running("other", "b")
    done = await make.running("me", "c")
    await store.ownership.finish(done.key, "me", ANSWER, Done(1, 6, "stop"))
    await store.turns.request_cancel("a")
    assert [(own.key, own.attempt, own.cancel_requested) for own in await store.ownership.owned_by("me")] == [
        (mine.key, 1, True)
    ]
    assert [own.key for own in await store.ownership.owned_by("other")] == [other.key]


async def test_an_orphan_is_queued_again_by_one_of_many(store: Store, make: Maker) -> None:
    turn = await make.running(await make.process("dead"))
    await make.running(await make.process("alive"), "other")
    assert await store.ownership.requeue_orphans() == []
    await make.age(SILENT_SECONDS + 1, process="dead")
    found = await asyncio.gather(*(store.ownership.requeue_orphans() for _ in range(10)))
    assert [again.key for requeued in found for again in requeued] == [turn.key]
    await make.age(REQUEUE_SECONDS + 1, key=turn.key)
    assert [again.key for again in await store.ownership.requeue_orphans()] == [turn.key]


async def test_a_turn_that_is_queued_again_tells_of_the_same_request(store: Store, make: Maker) -> None:
    context = RequestContext("request-1", {"traceparent": "00-ab-cd-01"})
    orphan = await make.running(await make.process("dead"), "orphan", context=context)
    await make.age(SILENT_SECONDS + 1, process="dead")
    assert await store.ownership.requeue_orphans() == [Requeued(orphan.key, context)]
    overdue = [await make.queued("overdue", context=context), await make.queued("of nobody")]
    for turn in overdue:
        await make.age(OVERDUE_SECONDS + 1, key=turn.key)
    requeued = [Requeued(overdue[0].key, context), Requeued(overdue[1].key, RequestContext())]
    assert sorted(await store.ownership.requeue_overdue()) == sorted(requeued)


async def test_an_overdue_turn_is_queued_again_by_one_of_many(store: Store, make: Maker) -> None:
    turn = await make.queued()
    assert not await store.ownership.has_overdue()
    assert await store.ownership.requeue_overdue() == []
    await make.age(OVERDUE_SECONDS + 1, key=turn.key)
    assert await store.ownership.has_overdue()
    found = await asyncio.gather(*(store.ownership.requeue_overdue() for _ in range(10)))
    assert [again.key for requeued in found for again in requeued] == [turn.key]


async def test_direct_turns_of_dead_processes_are_ended_and_not_queued(store: Store, make: Maker) -> None:
    for api in ("dead", "alive"):
        await make.queued(api, mode="direct", owner=await make.process(api, "api"))
    await make.age(SILENT_SECONDS + 1, process="dead")
    (lost,) = await store.ownership.lost_direct_turns()
    assert lost.session_id == "dead"
    assert await store.ownership.lost_direct_turns("alive") == []
    assert await store.ownership.requeue_orphans() == []
    assert await store.ownership.finish_orphan(lost.key, process_lost(lost))
    ended = await store.turns.get(lost.key)
    assert (ended.status, ended.error_code) == ("error", "process_lost")


async def test_cancelled_orphans_are_found(store: Store, make: Maker) -> None:
    for session, owner in (("a", "dead"), ("b", "alive"), ("c", "dead")):
        await make.running(await make.process(owner), session)
    for session in ("a", "b"):
        await store.turns.request_cancel(session)
    assert await store.ownership.cancelled_orphans() == []
    await make.age(SILENT_SECONDS + 1, process="dead")
    assert [turn.session_id for turn in await store.ownership.cancelled_orphans()] == ["a"]


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
    assert await store.ownership.left_logs() == [keys["a"]]
