"""Turns that wait for another one of their session."""

import asyncio

import pytest

from core.model.errors import ConversationBusy, NotFound, TurnRunning
from core.model.events import Done
from core.model.tape import Tape
from core.store.reach import Reach
from core.store.store import Store
from core.store.turns.records import Created, NewTurn, Turn
from core.store.turns.waiting import MOST_WAITING
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

W = "worker-1"
API = "api-1"


async def ask(store: Store, message: str = "hi", session_id: str = "s", **fields: object) -> Created:
    values: dict[str, object] = {"mode": "queue", "may_wait": True, "owner": None, **fields}
    new = NewTurn(session_id=session_id, message=message, model="m", options={}, **values)  # type: ignore[arg-type]
    return await store.turns.create(new)


async def answer(store: Store, turn: Turn) -> None:
    await store.processes.beat(W, "worker")
    claimed = await store.ownership.claim(turn.key, W)
    assert isinstance(claimed, Turn)
    assert await store.ownership.finish(turn.key, W, Tape(), Done(claimed.attempt, 0, "stop"))


async def test_they_run_one_after_the_other(store: Store) -> None:
    first, second, third = [await ask(store, text) for text in "abc"]
    assert [each.turn.status for each in (first, second, third)] == ["queued", "waiting", "waiting"]
    assert [each.waits_behind for each in (first, second, third)] == [0, 1, 2]
    assert await store.waiting.startable() == []
    assert await store.waiting.start_next("s", API) is None
    await answer(store, first.turn)
    assert await store.waiting.startable() == ["s"]
    started = await store.waiting.start_next("s", API)
    assert started is not None
    assert (started.key, started.status, started.message) == (second.turn.key, "queued", "b")
    assert await store.waiting.start_next("s", API) is None  # it is not finished yet
    await answer(store, started)
    started = await store.waiting.start_next("s", API)
    assert started is not None
    claimed = await store.ownership.claim(started.key, W)
    assert isinstance(claimed, Turn)
    assert [each.message for each in claimed.earlier] == ["a", "b"]


async def test_who_may_not_wait_is_refused(store: Store) -> None:
    await ask(store)
    with pytest.raises(TurnRunning):
        await ask(store, may_wait=False)


async def test_who_may_not_wait_overtakes_nobody(store: Store) -> None:
    first = await ask(store)
    second = await ask(store)
    await answer(store, first.turn)
    for mode, owner in (("queue", None), ("direct", API)):
        with pytest.raises(TurnRunning):
            await ask(store, may_wait=False, mode=mode, owner=owner, replaces=second.turn.turn)
    assert await store.turns.request_cancel("s")
    assert (await ask(store, may_wait=False)).turn.status == "queued"


async def test_only_so_many_wait(store: Store) -> None:
    for _ in range(1 + MOST_WAITING):
        await ask(store)
    with pytest.raises(ConversationBusy):
        await ask(store)
    assert (await store.sessions.get("s")).turns == 1 + MOST_WAITING
    await ask(store, session_id="another")


async def test_a_message_that_comes_again_is_no_second_turn(store: Store) -> None:
    first = await ask(store, message_id="m1")
    other = await ask(store, message_id="m2")
    for known in (first, other):
        again = await ask(store, message_id=known.turn.message_id)
        assert (again.turn.key, again.is_new) == (known.turn.key, False)
    assert (await store.sessions.get("s")).turns == 2
    elsewhere = await ask(store, session_id="another", message_id="m1")
    assert elsewhere.is_new
    with pytest.raises(NotFound):
        await store.within(Reach("bob")).turns.create(
            NewTurn(session_id="s", mode="queue", model="m", message="hi", options={}, message_id="m1", may_wait=True)
        )


async def test_messages_that_come_at_once_are_one_turn_each(store: Store) -> None:
    created = await asyncio.gather(*(ask(store, message_id=f"m{number % 3}") for number in range(9)))
    assert len({each.turn.key for each in created}) == 3
    assert sum(each.is_new for each in created) == 3
    statuses = await store.turns.statuses("s")
    assert sorted(statuses.values()) == ["queued", "waiting", "waiting"]


async def test_one_process_alone_starts_the_next(store: Store) -> None:
    first = await ask(store)
    await ask(store)
    await answer(store, first.turn)
    started = await asyncio.gather(*(store.waiting.start_next("s", f"api-{number}") for number in range(5)))
    assert sum(turn is not None for turn in started) == 1


async def test_a_direct_one_runs_in_its_own_process(store: Store) -> None:
    first = await ask(store, "a")
    await ask(store, "b", mode="direct", owner=API)
    await answer(store, first.turn)
    assert await store.waiting.start_next("s", "api-2") is None
    started = await store.waiting.start_next("s", API)
    assert started is not None
    assert (started.status, started.attempt, started.owner) == ("running", 1, API)
    assert [each.message for each in started.earlier] == ["a"]


async def test_a_direct_one_whose_process_is_gone_is_lost(store: Store, make: Maker) -> None:
    await make.process(W)
    await ask(store)
    waiting = await ask(store, mode="direct", owner="api-dead")
    assert [turn.key for turn in await store.orphans.lost_direct()] == [waiting.turn.key]
    assert await store.orphans.finish(waiting.turn.key, Done(0, 0, "cancelled"))
    assert (await store.turns.get(waiting.turn.key)).finished


async def test_one_or_all_are_cancelled(store: Store, make: Maker) -> None:
    running = await make.running(W)
    second, third, fourth = [(await ask(store, text)).turn for text in "bcd"]
    cancelled = await store.turns.request_cancel("s", third.turn)
    assert [turn.key for turn in cancelled.ended_here] == [third.key]
    assert not (await store.turns.get(running.key)).cancel_requested
    cancelled = await store.turns.request_cancel("s")
    assert cancelled.turn.key == running.key
    assert cancelled.turn.cancel_requested
    assert [turn.key for turn in cancelled.ended_here] == [second.key, fourth.key]


async def test_a_turn_is_not_taken_back_while_another_waits_for_it(store: Store) -> None:
    first = await ask(store)
    second = await ask(store)
    assert not await store.turns.discard(first.turn.key)
    assert (await store.turns.get(first.turn.key)).status == "queued"
    assert await store.turns.request_cancel("s", second.turn.turn)
    assert not await store.turns.discard(first.turn.key)
    other = await ask(store, session_id="another")
    assert await store.turns.discard(other.turn.key)
    named = await ask(store, session_id="a third", message_id="m1")
    assert not await store.turns.discard(named.turn.key)  # another connection may have been told that it is accepted
    with pytest.raises(NotFound):
        await store.sessions.get("another")
