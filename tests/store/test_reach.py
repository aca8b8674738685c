"""Reach: what a caller finds of the store, and what is not there for it."""

import asyncio

import pytest

from core.model.errors import NotFound, TurnRunning
from core.model.keys import TurnKey
from core.store.reach import Reach
from core.store.store import Store
from core.store.turns.filters import TurnFilter
from core.store.turns.records import Created, NewTurn, Turn
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

MODEL_M = TurnFilter(model="m")


def new(session_id: str) -> NewTurn:
    return NewTurn(session_id=session_id, mode="queue", model="m", message="hi", options={})


async def test_a_session_is_there_for_the_key_that_made_it(store: Store) -> None:
    alice = store.within(Reach("alice"))
    turn = (await alice.turns.create(new("s"))).turn
    assert await alice.turns.get(turn.key) == await alice.turns.latest("s") == await store.turns.get(turn.key)
    assert [session.session_id for session in await alice.sessions.recent(9)] == ["s"]
    assert [listed.key for listed in (await alice.turns.page(9)).turns] == [turn.key]
    assert len(await alice.sessions.recent(9, MODEL_M)) == 1
    assert (await alice.turns.request_cancel("s")).turn.finish_reason == "cancelled"
    assert (await alice.turns.create(new("s"))).turn.turn == 2
    assert len(await alice.turns.of_session("s")) == 2
    await alice.sessions.delete("s")
    with pytest.raises(NotFound):
        await store.sessions.get("s")


@pytest.mark.parametrize("owner", ["alice", None])
async def test_for_another_key_it_is_not(store: Store, owner: str | None) -> None:
    """Neither is one that was made while there were no keys."""
    turn = (await store.within(Reach(owner)).turns.create(new("s"))).turn
    bob = store.within(Reach("bob"))
    for asking in (
        bob.turns.create(new("s")),
        bob.turns.get(turn.key),
        bob.turns.latest("s"),
        bob.turns.request_cancel("s"),
        bob.sessions.get("s"),
        bob.sessions.delete("s"),
    ):
        with pytest.raises(NotFound):
            await asking
    assert not await bob.turns.of_session("s")
    assert not await bob.sessions.recent(9)
    assert not await bob.sessions.recent(9, MODEL_M)
    assert not (await bob.turns.page(9)).turns
    assert not (await bob.turns.page(9, MODEL_M)).turns
    assert await store.turns.of_session("s") == [turn]


async def test_two_keys_that_want_one_name_at_once(store: Store) -> None:
    keys = ("alice", "bob") * 4
    made = await asyncio.gather(
        *(store.within(Reach(key)).turns.create(new("s")) for key in keys), return_exceptions=True
    )
    (first,) = [(key, turn) for key, turn in zip(keys, made, strict=True) if isinstance(turn, Created)]
    for key, outcome in zip(keys, made, strict=True):
        if outcome is not first[1]:
            assert isinstance(outcome, TurnRunning if key == first[0] else NotFound)


async def test_the_process_itself_reaches_all(store: Store, make: Maker) -> None:
    await store.within(Reach("alice")).turns.create(new("s"))
    assert (await make.process("w1")) == "w1"
    claimed = await store.ownership.claim(TurnKey("s", 1), "w1")
    assert isinstance(claimed, Turn)
