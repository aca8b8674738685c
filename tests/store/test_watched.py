"""What is to be known of turns in order to watch them."""

import pytest

from core.model.events import Done
from core.model.keys import TurnKey
from core.model.parts import Text
from core.model.tape import Tape
from core.store.reach import Reach
from core.store.store import Store
from core.store.turns.records import Labels, NewTurn
from core.store.turns.watched import KEYS_AT_ONCE, LATE_SECONDS

pytestmark = pytest.mark.anyio

OWNER = "worker-here-1-a"
LABELS = Labels("trip", "item", "run", {"team": "blue"})


async def create(store: Store, session_id: str, labels: Labels = Labels()) -> TurnKey:  # noqa: B008
    new = NewTurn(session_id=session_id, mode="queue", model="m", message="hi", options={}, labels=labels)
    return (await store.turns.create(new)).turn.key


async def finish(store: Store, key: TurnKey) -> None:
    await store.ownership.claim(key, OWNER)
    await store.ownership.finish(key, OWNER, Tape([Text("a")]), Done(1, 1, "stop"))


async def test_a_turn_with_its_labels_and_whose_it_is(store: Store) -> None:
    key = await create(store.within(Reach("alice")), "s", LABELS)
    (turn,) = (await store.watched.look()).turns
    assert (turn.key, turn.labels, turn.key_name, turn.status) == (key, LABELS, "alice", "queued")
    assert (turn.owner, turn.finished, turn.started_at) == (None, False, None)
    await store.ownership.claim(key, OWNER)
    (turn,) = await store.watched.get([key])
    assert (turn.status, turn.owner, turn.attempt) == ("running", OWNER, 1)
    assert turn.started_at is not None


async def test_it_looks_at_what_runs_and_at_what_has_ended_since(store: Store) -> None:
    ended, running = await create(store, "ended"), await create(store, "running")
    await finish(store, ended)
    look = await store.watched.look()
    assert {turn.key for turn in look.turns} == {ended, running}
    (finished,) = [turn for turn in look.turns if turn.finished]
    assert (finished.key, finished.status, finished.finish_reason) == (ended, "done", "stop")
    assert finished.finished_at is not None
    assert look.at - LATE_SECONDS < finished.finished_at <= look.at
    later = await store.watched.look(finished.finished_at + 0.001)
    assert {turn.key for turn in later.turns} == {running}


async def test_any_number_of_turns_is_found_by_their_keys(store: Store) -> None:
    key = await create(store, "s")
    unknown = [TurnKey(f"unknown-{number}", 1) for number in range(KEYS_AT_ONCE)]
    found = await store.watched.get([*unknown, key])
    assert [turn.key for turn in found] == [key]
    assert await store.watched.get([]) == []
