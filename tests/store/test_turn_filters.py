"""Filters of turns: what is asked for is found, in lists of turns and of sessions, and nothing else."""

from typing import get_args

import pytest

from core.model.events import Done, Failed
from core.model.tape import Tape
from core.store.store import Store
from core.store.turns.filters import State, TurnFilter
from core.store.turns.records import Labels
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

W = "worker-1"
NAMES = ("team", "a.b", "a:b", "$", "[0]", "a'b", 'a"b', "a\\b", "é", "👩‍🚀", "%", " ", "key", "value")


async def found(store: Store, wanted: TurnFilter) -> set[str]:
    """The sessions, by either list."""
    by_turns = {turn.session_id for turn in (await store.turns.page(100, wanted)).turns}
    assert {session.session_id for session in await store.sessions.recent(100, wanted)} == by_turns
    return by_turns


async def test_turns_are_found_by_their_labels(store: Store, make: Maker) -> None:
    for number, session in enumerate("abcd"):
        labels = Labels(f"goal-{number // 2}", f"item-{number}", f"run-{number % 2}")
        await make.queued(session, labels=labels, model=f"m{number % 2}")
    await make.queued("plain")
    assert await found(store, TurnFilter()) == {*"abcd", "plain"}
    assert await found(store, TurnFilter(goal_id="goal-1")) == {*"cd"}
    assert await found(store, TurnFilter(work_item_id="item-1")) == {*"b"}
    assert await found(store, TurnFilter(run_id="run-0")) == {*"ac"}
    assert await found(store, TurnFilter(session_id="d")) == {*"d"}
    assert await found(store, TurnFilter(model="m1")) == {*"bd"}
    assert await found(store, TurnFilter(goal_id="goal-1", run_id="run-0", model="m0")) == {*"c"}
    assert await found(store, TurnFilter(goal_id="goal-1", model="m")) == set()


@pytest.mark.parametrize("name", NAMES)
async def test_metadata_is_found_whatever_its_name(store: Store, make: Maker, name: str) -> None:
    value = f"\"{name}' ☃ \\ 100%"
    await make.queued("both", labels=Labels(metadata={"colour": "red", name: value}))
    await make.queued("other value", labels=Labels(metadata={"colour": "red", name: value.upper() + "!"}))
    await make.queued("other name", labels=Labels(metadata={"colour": "red", name * 2: value}))
    await make.queued("plain")
    assert await found(store, TurnFilter(metadata=((name, value),))) == {"both"}
    assert await found(store, TurnFilter(metadata=((name, value), ("colour", "red")))) == {"both"}
    assert await found(store, TurnFilter(metadata=((name, value), ("colour", "blue")))) == set()
    assert len(await found(store, TurnFilter(metadata=(("colour", "red"),)))) == 3


async def test_turns_are_found_by_their_state(store: Store, make: Maker) -> None:
    await make.process(W)
    await make.queued("queued")
    await make.running(W, "running")
    await make.queued("cancelled")
    await store.turns.request_cancel("cancelled")
    for session in ("done", "error"):
        end = Done(1, 0, "stop") if session == "done" else Failed(1, 0, "provider_error", "no")
        assert await store.ownership.finish((await make.running(W, session)).key, W, Tape(), end)
    await make.waiting("waiting")
    states = get_args(State)
    for state in states:
        assert await found(store, TurnFilter(states=frozenset({state}))) == {state}
    for several in (("done", "cancelled"), ("done", "error"), ("cancelled", "running"), ("queued", "running"), states):
        assert await found(store, TurnFilter(states=frozenset(several))) == set(several)


async def test_a_session_is_found_by_one_turn_that_is_all_of_it(store: Store, make: Maker) -> None:
    for goal, model in (("g1", "m1"), ("g2", "m2"), ("g3", "m3")):
        await make.queued(labels=Labels(goal), model=model)
        await store.turns.request_cancel("s")
    await make.queued("other", labels=Labels("g1"), model="m2")
    assert await found(store, TurnFilter(goal_id="g2", model="m2")) == {"s"}
    assert await found(store, TurnFilter(goal_id="g2", model="m1")) == set()
    (session,) = await store.sessions.recent(9, TurnFilter(goal_id="g2"))
    assert session.turns == 3
    assert len(await store.sessions.recent(1, TurnFilter(goal_id="g1"))) == 1
