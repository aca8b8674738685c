"""What narrators are told and tell: numbered in their conversation, answered once, and by the right one."""

import asyncio

import pytest
import sqlalchemy as sa

from core.model.errors import NotFound
from core.store.database.base import Database
from core.store.narrator.controllers import LeaseLost
from core.store.narrator.events import LATE_SECONDS
from core.store.narrator.records import ControllerLease, NarratorEvent, NewMessage, Posted
from core.store.reach import Reach
from core.store.schema import narrator_events
from core.store.store import Store
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

NAME = "controller"
SECONDS = 45.0


async def post(store: Store, message: str = "What is new?", session_id: str = "s", **fields: object) -> Posted:
    new = NewMessage(session_id=session_id, message=message, controller=NAME, **fields)  # type: ignore[arg-type]
    return await store.narrator.post(new)


async def held(store: Store, *, takeover: bool = False) -> ControllerLease:
    return (await store.controllers.take(NAME, takeover=takeover)).lease


async def told(store: Store, session_id: str = "s") -> list[tuple[int, str, str]]:
    return [(event.seq, event.type, event.message) for event in await store.narrator.page(session_id, 0, 100)]


async def test_events_of_a_conversation_are_numbered_and_read_in_order(store: Store) -> None:
    first = (await post(store, "one", workspace_id="w")).event
    answer = await store.narrator.answer(first, "NARRATION", "two", turn=7)
    second = (await post(store, "three")).event
    await store.narrator.answer(second, "ERROR", "four")
    await post(store, "elsewhere", "another")
    assert await told(store) == [
        (1, "USER_MESSAGE", "one"),
        (2, "NARRATION", "two"),
        (3, "USER_MESSAGE", "three"),
        (4, "ERROR", "four"),
    ]
    assert await told(store, "another") == [(1, "USER_MESSAGE", "elsewhere")]
    assert [event.seq for event in await store.narrator.page("s", 1, 2)] == [2, 3]
    assert await store.narrator.narrations("s", 0, 9) == [answer]
    assert await store.narrator.narrations("s", 2, 9) == []
    assert (await store.narrator.last_seq("s"), await store.narrator.last_seq("nowhere")) == (4, 0)
    assert (first.source, answer.source, answer.answers, answer.turn) == ("user", NAME, first.event_id, 7)
    assert (first.workspace_id, answer.workspace_id) == ("w", "w")


async def test_posts_at_once_have_numbers_without_gaps(store: Store, url: str) -> None:
    other = Store(url)
    await other.open()
    posted = await asyncio.gather(*(post(each, f"m{number}") for number in range(6) for each in (store, other)))
    assert sorted(each.event.seq for each in posted) == list(range(1, 13))
    await other.close()


async def test_a_message_that_comes_again_is_known(store: Store) -> None:
    posted = await asyncio.gather(*(post(store, message_id="m1") for _ in range(5)))
    assert sum(each.is_new for each in posted) == 1
    event = posted[0].event
    assert all(each.event == event for each in posted)
    assert await store.narrator.find("s", "m1") == event
    assert await store.narrator.find("s", "m2") is None
    assert (await post(store, session_id="another", message_id="m1")).is_new
    assert (await post(store, message_id="m2")).event.seq == 2


async def test_the_first_answer_counts(store: Store) -> None:
    event = (await post(store)).event
    assert await store.narrator.answer_to(event.event_id) is None
    answers = await asyncio.gather(
        *(store.narrator.answer(event, "ERROR" if number % 2 else "NARRATION", str(number)) for number in range(4))
    )
    assert len({answer.event_id for answer in answers}) == 1
    assert await store.narrator.answer_to(event.event_id) == answers[0]
    assert await store.narrator.last_seq("s") == 2


async def test_the_holder_of_the_lease_answers_once(store: Store) -> None:
    lease = await held(store)
    event = (await post(store, epoch=lease.epoch)).event
    assert await store.narrator.unanswered(lease, SECONDS) == [event]
    answer = await store.narrator.answer_for(lease, event.event_id, "All is well.")
    assert (answer.type, answer.message, answer.answers) == ("NARRATION", "All is well.", event.event_id)
    assert await store.narrator.answer_for(lease, event.event_id, "Once more.") == answer
    assert await store.narrator.unanswered(lease, SECONDS) == []


async def test_who_has_lost_the_lease_is_refused(store: Store) -> None:
    """The one who has it now as well, for what was asked of the one before."""
    first = await held(store)
    event = (await post(store, epoch=first.epoch)).event
    second = await held(store, takeover=True)
    for lease in (first, second):
        with pytest.raises(LeaseLost):
            await store.narrator.answer_for(lease, event.event_id, "Late.")
    assert await store.narrator.unanswered(second, SECONDS) == []
    assert await store.narrator.answer_to(event.event_id) is None


async def test_an_event_that_was_not_told_to_the_controller_is_unknown_to_it(store: Store) -> None:
    lease = await held(store)
    event = (await post(store, epoch=lease.epoch)).event
    answer = await store.narrator.answer_for(lease, event.event_id, "Yes.")
    other = (await store.controllers.take("other")).lease
    for asking in (
        store.narrator.answer_for(lease, event.event_id + 1000, "?"),
        store.narrator.answer_for(lease, answer.event_id, "?"),  # its own
        store.narrator.answer_for(other, event.event_id, "?"),
    ):
        with pytest.raises(NotFound):
            await asking


async def test_what_waits_for_too_long_is_left(store: Store, database: Database) -> None:
    lease = await held(store)
    old = (await post(store, "old", epoch=lease.epoch)).event
    aged = sa.update(narrator_events).values(at=narrator_events.c.at - SECONDS)
    await database.change(aged.where(narrator_events.c.event_id == old.event_id))
    new = (await post(store, "new", epoch=lease.epoch)).event
    assert await store.narrator.unanswered(lease, SECONDS) == [new]
    assert (await store.narrator.answer_for(lease, old.event_id, "Late.")).seq == 3  # it may still be told


async def test_keys_are_kept_apart(store: Store) -> None:
    alice, bob = (store.within(Reach(name)) for name in ("alice", "bob"))
    leases = [(await each.controllers.take(NAME)).lease for each in (alice, bob)]
    event = (await post(alice, epoch=1, message_id="m1")).event
    with pytest.raises(NotFound):
        await post(bob, epoch=1)
    with pytest.raises(NotFound):
        await bob.narrator.answer_for(leases[1], event.event_id, "Mine.")
    assert await bob.narrator.unanswered(leases[1], SECONDS) == []
    assert await bob.narrator.page("s", 0, 9) == await bob.narrator.narrations("s", 0, 9) == []
    assert await bob.narrator.find("s", "m1") is None
    assert await bob.narrator.last_seq("s") == 0
    assert await alice.narrator.unanswered(leases[0], SECONDS) == [event]


async def test_a_look_finds_what_is_new_anywhere(store: Store, database: Database) -> None:
    await post(store, session_id="old")
    await database.change(sa.update(narrator_events).values(at=narrator_events.c.at - LATE_SECONDS))
    look = await store.narrator.look()
    assert look.latest == {}
    for session_id in ("a", "b", "b"):
        await post(store, session_id=session_id)
    assert (await store.narrator.look(look.at)).latest == {"a": 1, "b": 2}
    assert (await store.narrator.look(look.at - LATE_SECONDS)).latest == {"old": 1, "a": 1, "b": 2}


async def test_a_conversation_that_begins_with_its_narrator_is_listed_once_it_has_a_turn(store: Store) -> None:
    alice = store.within(Reach("alice"))
    await post(alice, "  What\nis new? ")
    assert await alice.sessions.recent(9) == []
    with pytest.raises(NotFound):
        await alice.sessions.get("s")
    assert await alice.turns.of_session("s") == []


async def test_its_first_turn_is_the_first(store: Store, make: Maker) -> None:
    event = (await post(store, "hello")).event
    turn = await make.queued()
    assert turn.turn == 1
    session = await store.sessions.get("s")
    assert (session.turns, session.title) == (1, "hello")
    assert await store.turns.discard(turn.key)  # takes nothing of the narrator's away
    assert await store.narrator.page("s", 0, 9) == [event]
    assert (await make.queued()).turn == 1


async def test_a_conversation_of_turns_alone_goes_with_its_only_one(store: Store, make: Maker) -> None:
    turn = await make.queued()
    await store.turns.request_cancel("s")
    second = await make.queued()
    assert await store.turns.discard(second.key)
    assert (await store.sessions.get("s")).turns == 1
    other = await make.queued("other")
    assert await store.turns.discard(other.key)
    with pytest.raises(NotFound):
        await post(store.within(Reach("bob")))
    assert (await post(store.within(Reach("bob")), session_id="other")).is_new  # its name is free again
    assert (await store.turns.get(turn.key)).finished


async def test_events_go_with_their_conversation(store: Store) -> None:
    event = (await post(store)).event
    await store.sessions.delete("s")
    assert await told(store) == []
    with pytest.raises(NotFound):
        await store.narrator.answer(event, "NARRATION", "Nobody hears.")
    again: NarratorEvent = (await post(store)).event
    assert again.event_id > event.event_id  # which may still be under way somewhere
