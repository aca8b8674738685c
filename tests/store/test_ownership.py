"""Ownership: one process runs a turn; whoever lost it can write nothing."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from core.model.events import Done, Failed
from core.model.parts import Text
from core.model.tape import Tape
from core.store.liveness import SILENT_SECONDS
from core.store.store import Store
from core.store.turns.ownership import MAX_LOST_ATTEMPTS, Held
from core.store.turns.records import Labels, Turn
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
    await make.age(0.1, process="first")
    assert await store.ownership.claim(turn.key, "second") is Held.BUSY
    await make.age(SILENT_SECONDS, process="first")
    taken = await store.ownership.claim(turn.key, "second")
    assert isinstance(taken, Turn)
    assert (taken.attempt, taken.owner, taken.lost_attempts) == (2, "second", 1)


async def test_what_a_turn_belongs_to_goes_along_with_it(store: Store, make: Maker) -> None:
    labels = Labels("goal", "item", "run", {"team": "é"})
    turn = await make.running(await make.process("dead"), labels=labels)
    await make.age(SILENT_SECONDS + 0.5, process="dead")
    taken = await store.ownership.claim(turn.key, "next")
    assert isinstance(taken, Turn)
    assert (taken.attempt, taken.labels) == (2, labels)


async def test_a_turn_is_given_up_after_its_lost_attempts(store: Store, make: Maker) -> None:
    turn = await make.queued()
    for attempt in range(1, MAX_LOST_ATTEMPTS + 1):
        claimed = await store.ownership.claim(turn.key, f"dead-{attempt}")
        assert isinstance(claimed, Turn)
        assert claimed.attempt == attempt
    assert await store.ownership.claim(turn.key, "next") is Held.EXHAUSTED
    assert await store.orphans.finish(turn.key, Failed(3, 0, "attempts_exhausted", "given up"))
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


async def test_who_has_finished_a_turn_is_told(store: Store, make: Maker) -> None:
    """After a commit whose word was lost with the connection to the database."""
    turn, other = await make.running("w"), await make.running("w", "other")
    ends = Tape().encode_ends()
    assert not await store.ownership.has_finished(turn.key, 1, "w")
    assert await store.ownership.finish(turn.key, "w", Tape(), Done(1, 0, "stop"), part_ends=ends)
    assert not await store.ownership.finish(turn.key, "w", Tape(), Done(1, 0, "stop"), part_ends=ends)
    assert await store.ownership.has_finished(turn.key, 1, "w")
    assert not await store.ownership.has_finished(turn.key, 1, "another")
    assert not await store.ownership.has_finished(turn.key, 2, "w")
    await make.process("w")
    await make.age(SILENT_SECONDS + 1, process="w")
    assert await store.orphans.finish(other.key, Failed(1, 0, "process_lost", "gone"))
    assert not await store.ownership.has_finished(other.key, 1, "w")


async def test_mine_are_those_that_i_run(store: Store, make: Maker) -> None:
    mine, other = await make.running("me", "a"), await make.running("other", "b")
    done = await make.running("me", "c")
    await store.ownership.finish(done.key, "me", ANSWER, Done(1, 6, "stop"))
    await store.turns.request_cancel("a")
    assert [(own.key, own.attempt, own.cancel_requested) for own in await store.ownership.owned_by("me")] == [
        (mine.key, 1, True)
    ]
    assert [own.key for own in await store.ownership.owned_by("other")] == [other.key]
