"""Turns: numbered in their session, at most one of it active, and read back as they were written."""

import asyncio
from typing import Any

import pytest

from core.model.errors import NotFound, ReplaceConflict, TurnRunning
from core.model.events import Done, Failed, Usage
from core.model.keys import TurnKey
from core.model.parts import Reasoning, Text, ToolCall
from core.model.tape import Tape
from core.store.records import Exchange, NewTurn
from core.store.store import Store
from core.turns.prompt import answered
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

W = "worker-1"


async def _answer(store: Store, make: Maker, text: str, **fields: Any) -> TurnKey:
    """A finished turn."""
    turn = await make.running(W, **fields)
    assert await store.ownership.finish(turn.key, W, Tape([Text(text)]), Done(turn.attempt, len(text), "stop"))
    return turn.key


async def test_of_twenty_at_once_one_is_taken(store: Store, make: Maker) -> None:
    results = await asyncio.gather(*(make.queued() for _ in range(20)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, TurnRunning)]
    assert len(refused) == 19
    assert len(await store.turns.of_session("s")) == 1
    assert (await store.sessions.get("s")).last_turn == 1


async def test_numbers_have_no_gap_whatever_was_refused(store: Store, make: Maker) -> None:
    for _ in range(3):
        await make.queued()
        with pytest.raises(TurnRunning):
            await make.queued()
        await store.turns.request_cancel("s")
    assert [turn.turn for turn in await store.turns.of_session("s")] == [1, 2, 3]


async def test_an_answer_is_read_back_as_it_was(store: Store, make: Maker) -> None:
    tape = Tape(
        [Reasoning("hm\0"), Text("👩‍🚀 é \0 \r\n"), ToolCall("1", "now", '{"a": "\\u0000"}'), Text("x" * 400_000)]
    )
    turn = await make.running(W)
    assert await store.ownership.finish(turn.key, W, tape, Done(1, len(tape), "stop", Usage(3, 4)))
    stored = await store.turns.get(turn.key)
    assert (stored.read_tape(), stored.usage, stored.end()) == (
        tape,
        Usage(3, 4),
        Done(1, len(tape), "stop", Usage(3, 4)),
    )
    assert stored.finished_at is not None
    assert stored.started_at is not None
    assert stored.created_at <= stored.started_at <= stored.finished_at


async def test_an_error_keeps_the_partial(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    end = Failed(1, 4, "provider_error", "it said: \0 no")
    await store.ownership.finish(turn.key, W, Tape([Text("half")]), end)
    stored = await store.turns.get(turn.key)
    assert (stored.status, stored.read_tape().text(), stored.error_code) == ("error", "half", "provider_error")
    assert (stored.error_message or "").endswith("no")


async def test_what_a_service_calls_its_finish_may_be_long(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    assert await store.ownership.finish(turn.key, W, Tape(), Done(1, 0, "content_filter\0" * 10))
    assert ((await store.turns.get(turn.key)).finish_reason or "").startswith("content_filter")


async def test_history_is_what_was_asked_and_answered_before(store: Store, make: Maker) -> None:
    await _answer(store, make, "one", message="1")
    await _answer(store, make, "two", message="2")
    await make.queued(message="never answered")
    await store.turns.request_cancel("s")
    now = await make.running(W, message="now")
    assert answered(now.earlier) == [Exchange("1", "one"), Exchange("2", "two")]
    assert (await make.running(W, "other")).earlier == []


async def test_a_direct_turn_is_taken_where_it_is_made(store: Store, make: Maker) -> None:
    await _answer(store, make, "one", message="1")
    waiting = await make.queued("other")
    assert answered((await make.queued(mode="direct", owner=W)).earlier) == [Exchange("1", "one")]
    assert waiting.earlier == []


async def test_replaced_turns_leave_the_history(store: Store, make: Maker) -> None:
    await _answer(store, make, "one", message="1")
    await _answer(store, make, "wrong", message="2")
    await _answer(store, make, "wrong again", message="2", replaces=2)
    await _answer(store, make, "right", message="2", replaces=3)
    now = await make.running(W, message="now")
    assert answered(now.earlier) == [Exchange("1", "one"), Exchange("2", "right")]


async def test_only_the_latest_turn_can_be_replaced(store: Store, make: Maker) -> None:
    await _answer(store, make, "one")
    await _answer(store, make, "two")
    for number in (1, 3):
        with pytest.raises(ReplaceConflict):
            await make.queued(replaces=number)
    assert (await store.sessions.get("s")).last_turn == 2


async def test_a_discarded_turn_was_never_asked_for(store: Store, make: Maker) -> None:
    await store.turns.discard((await make.queued("new")).key)
    with pytest.raises(NotFound):
        await store.sessions.get("new")
    await _answer(store, make, "one")
    await store.turns.discard((await make.queued()).key)
    assert (await store.sessions.get("s")).last_turn == 1
    assert (await make.queued()).turn == 2


async def test_a_turn_that_runs_is_not_discarded(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    await store.turns.discard(turn.key)
    assert (await store.turns.get(turn.key)).status == "running"


async def test_the_queue_is_in_order(store: Store, make: Maker) -> None:
    turns = [await make.queued(session_id) for session_id in ("a", "b", "c")]
    running = await make.running(W, "d")
    done = await make.running(W, "f")
    await store.ownership.finish(done.key, W, Tape(), Done(1, 0, "stop"))
    assert await store.turns.places() == {turns[0].key: 1, turns[1].key: 2, turns[2].key: 3, running.key: 0}
    assert [await store.turns.position(turn) for turn in turns] == [1, 2, 3]
    last = NewTurn(session_id="e", mode="queue", model="m", message="hi", options={})
    assert (await store.turns.create(last)).position == 4
    await store.turns.request_cancel("a")
    assert await store.turns.position(turns[2]) == 2
    assert (await store.turns.places())[turns[2].key] == 2


async def test_cancelling_is_idempotent_in_every_state(store: Store, make: Maker) -> None:
    await make.queued("queued")
    for _ in range(2):
        cancelled = await store.turns.request_cancel("queued")
        assert (cancelled.status, cancelled.finish_reason) == ("done", "cancelled")
    await make.running(W, "running")
    for _ in range(2):
        assert (await store.turns.request_cancel("running")).cancel_requested
    key = await _answer(store, make, "all", session_id="finished")
    before = await store.turns.get(key)
    assert await store.turns.request_cancel("finished") == before
    with pytest.raises(NotFound):
        await store.turns.request_cancel("unknown")
