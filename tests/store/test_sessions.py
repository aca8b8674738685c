"""Sessions: listed, shown, deleted."""

import asyncio

import pytest
import sqlalchemy as sa

from core.model.errors import NotFound, ReplaceConflict
from core.model.events import Done
from core.model.parts import Text
from core.model.tape import Tape
from core.store.database.base import Database
from core.store.deleted_sessions import KEPT_SECONDS
from core.store.narrator.records import NewMessage
from core.store.schema import deleted_sessions
from core.store.store import Store
from core.store.turns.ownership import OwnedTurn
from core.store.turns.records import Turn
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio


async def test_they_are_listed_newest_first(store: Store, make: Maker) -> None:
    for session_id in ("a", "b", "c"):
        await make.queued(session_id, message=f"  about {session_id}\n and  more ")
    await store.turns.request_cancel("a")
    await make.queued("a")
    recent = await store.sessions.recent(2)
    assert [session.session_id for session in recent] == ["a", "c"]
    assert (recent[0].turns, recent[0].status, recent[0].title) == (2, "queued", "about a and more")
    assert recent[0].updated_at >= recent[0].created_at


async def test_a_title_is_the_beginning_of_the_first_message(store: Store, make: Maker) -> None:
    await make.queued("s", message="🙂" * 1000)
    assert (await store.sessions.get("s")).title == "🙂" * 80


async def test_deleting_one_takes_its_turns_and_no_other(store: Store, make: Maker) -> None:
    gone, kept = await make.queued("gone"), await make.queued("kept")
    await store.sessions.delete("gone")
    with pytest.raises(NotFound):
        await store.turns.get(gone.key)
    assert await store.turns.get(kept.key) == kept


async def test_an_unknown_one_is_named(store: Store) -> None:
    for asking in (store.sessions.get("nope"), store.sessions.delete("nope"), store.turns.latest("nope")):
        with pytest.raises(NotFound, match="nope"):
            await asking


async def test_numbers_of_deleted_turns_are_not_given_again(store: Store, make: Maker) -> None:
    """What is under way of one that was deleted is then nobody else's: here the worker that still answers it."""
    await make.queued()
    await store.turns.request_cancel("s")
    deleted = await make.running("w")
    await store.sessions.delete("s")
    again = await make.running("w")
    assert (deleted.turn, again.turn, again.attempt) == (2, 3, deleted.attempt)
    assert await store.ownership.owned_by("w") == [OwnedTurn(again.key, 1, cancel_requested=False)]
    assert not await store.ownership.finish(deleted.key, "w", Tape([Text("late")]), Done(1, 4, "stop"))
    assert (await store.sessions.get("s")).turns == 1
    await store.sessions.delete("s")
    assert (await make.queued()).turn == 4


async def test_another_conversation_of_that_name_has_nothing_of_the_deleted_one(store: Store, make: Maker) -> None:
    await make.queued()
    await store.sessions.delete("s")
    with pytest.raises(ReplaceConflict, match="it has none yet"):
        await make.queued(replaces=1)
    first = await make.queued()
    assert (first.turn, first.earlier) == (2, [])
    assert await store.turns.discard(first.key)
    with pytest.raises(NotFound):
        await store.sessions.get("s")
    assert (await make.queued()).turn == 2


async def test_nor_are_those_of_a_narrator(store: Store, make: Maker) -> None:
    """One that has no turns leaves what was remembered of those before."""
    message = NewMessage(session_id="s", message="What is new?", controller="controller")
    await make.queued()
    for seq in (1, 2, 3):
        event = (await store.narrator.post(message)).event
        assert (event.seq, await store.narrator.last_seq("s")) == (seq, seq)
        await store.sessions.delete("s")
    await store.narrator.post(message)
    first = await make.queued()
    assert first.turn == 2
    assert await store.turns.discard(first.key)
    with pytest.raises(ReplaceConflict, match="it has none yet"):
        await make.queued(replaces=1)
    assert (await make.queued()).turn == 2


async def test_deleted_ones_are_forgotten_after_a_day(store: Store, database: Database, make: Maker) -> None:
    await make.queued()
    await store.sessions.delete("s")
    aged = sa.update(deleted_sessions).values(deleted_at=deleted_sessions.c.deleted_at - KEPT_SECONDS)
    assert await database.change(aged) == 1
    await make.queued("other")
    await store.sessions.delete("other")
    assert [row.session_id for row in await database.rows(sa.select(deleted_sessions))] == ["other"]
    assert (await make.queued()).turn == 1


async def test_no_number_is_given_twice_however_deleting_and_asking_meet(store: Store, make: Maker) -> None:
    outcomes = await asyncio.gather(
        *(job for _ in range(40) for job in (make.queued(), store.sessions.delete("s"))), return_exceptions=True
    )
    numbers = [outcome.turn for outcome in outcomes if isinstance(outcome, Turn)]
    assert len(numbers) > 1
    assert len(set(numbers)) == len(numbers)


async def test_a_turn_is_not_taken_back_from_under_another(store: Store, make: Maker) -> None:
    """Whatever meets: the numbers go on."""
    for _ in range(12):
        first = await make.queued()
        await asyncio.gather(store.turns.discard(first.key), make.queued(may_wait=True), return_exceptions=True)
        await store.turns.request_cancel("s")
    numbers = [turn.turn for turn in await store.turns.of_session("s")]
    assert (await make.queued()).turn == numbers[-1] + 1
