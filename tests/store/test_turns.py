"""Turns: numbered in their session, at most one of it active, and read back as they were written."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from core.model.context import RequestContext
from core.model.errors import NotFound, ReplaceConflict, TurnRunning
from core.model.events import Done, Failed, Usage
from core.model.keys import TurnKey
from core.model.parts import Reasoning, Text, ToolCall
from core.model.tape import Tape
from core.providers.base import Message
from core.store.database.base import Database
from core.store.schema import turns
from core.store.store import Store
from core.store.turns.records import Labels, NewTurn, Turn
from core.turns.attempts.prompt import Exchange, answered
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

W = "worker-1"


def _said(message: str, answer: str) -> Exchange:
    return Exchange(message, [Message("assistant", answer)])


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
    assert (await store.sessions.get("s")).turns == 1


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


async def test_what_a_service_said_is_kept_as_it_was(store: Store, make: Maker) -> None:
    """Halves of characters, too."""
    turn = await make.running(W)
    tries = [{"model": "m", "message": "é 👩‍🚀 \ud83d"}]
    assert await store.ownership.finish(turn.key, W, Tape(), Failed(1, 0, "provider_error", "no"), tries=tries)
    assert (await store.turns.get(turn.key)).tries == tries


async def test_what_was_asked_and_by_whom_is_kept(store: Store, make: Maker) -> None:
    asked = {"messages": [{"role": "tool", "content": "4 \u00b0C", "id": None}], "tools": [], "tool_choice": "auto"}
    labels = Labels("goal-1", "item-2", "run-3", {"team": "é"})
    context = RequestContext("request-4", {"traceparent": "00-ab-cd-01", "tracestate": "a=1"})
    for mode, owner in (("queue", None), ("direct", W)):
        fields = {"mode": mode, "owner": owner, "input": asked, "labels": labels, "context": context}
        made = await make.queued(mode, **fields)
        claimed = made if mode == "direct" else await store.ownership.claim(made.key, W)
        assert isinstance(claimed, Turn)
        await store.ownership.finish(made.key, W, Tape([Text("yes")]), Done(1, 3, "stop"), part_ends=b"\0\x03")
        ended = await store.turns.get(made.key)
        assert ended.part_ends == b"\0\x03"
        for turn in (made, claimed, ended):
            assert (turn.input, turn.labels, turn.context) == (asked, labels, context)


async def test_a_plain_question_has_none_of_it(store: Store, database: Database, make: Maker) -> None:
    plain = (None, Labels(), RequestContext(), None)
    for mode in ("queue", "direct"):
        made = await make.queued(mode, mode=mode)
        for turn in (made, await store.turns.get(made.key)):
            assert (turn.input, turn.labels, turn.context, turn.part_ends) == plain
    absent = turns.c.input.is_(None) & turns.c.metadata.is_(None) & turns.c.trace_context.is_(None)
    assert await database.value(sa.select(sa.func.count()).where(absent)) == 2


async def test_the_stages_of_a_turn_are_told_by_one_clock(store: Store, make: Maker) -> None:
    queued = await make.queued()
    assert (queued.claimed_at, queued.asked_at, queued.first_token_at) == (None, None, None)
    claimed = await store.ownership.claim(queued.key, W)
    assert isinstance(claimed, Turn)
    assert claimed.claimed_at is not None
    assert claimed.created_at <= claimed.claimed_at
    assert (claimed.asked_at, claimed.first_token_at) == (None, None)
    end = Done(1, 0, "stop")
    await store.ownership.finish(
        queued.key, W, Tape(), end, asked_after=0.25, first_token_after=1.5, reasoning_seconds=3.5
    )
    turn = await store.turns.get(queued.key)
    assert turn.claimed_at == claimed.claimed_at
    assert (turn.asked_at, turn.first_token_at) == (turn.claimed_at + 0.25, turn.claimed_at + 1.5)
    assert turn.reasoning_seconds == 3.5


async def test_a_stage_that_was_not_reached_has_no_time(store: Store, make: Maker) -> None:
    direct = await make.queued(mode="direct", owner=W)
    assert direct.claimed_at is not None
    await store.ownership.finish(direct.key, W, Tape(), Failed(1, 0, "provider_error", "no"), asked_after=0.5)
    turn = await store.turns.get(direct.key)
    assert (turn.asked_at, turn.first_token_at) == (direct.claimed_at + 0.5, None)


async def test_a_turn_of_the_release_before_is_read(store: Store, database: Database, make: Maker) -> None:
    """Its processes know nothing of the columns that came later."""
    await make.queued("other")
    columns = "mode, attempt, lost_attempts, cancel_requested, model, message, options, created_at"
    copy = f"INSERT INTO turns (session_id, turn, status, {columns}) SELECT session_id, 2, 'done', {columns} FROM turns"
    await database.change(sa.text(copy))
    turn = await store.turns.get(TurnKey("other", 2))
    assert (turn.input, turn.labels, turn.context, turn.claimed_at) == (None, Labels(), RequestContext(), None)


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
    assert answered(now.earlier) == [
        _said("1", "one"),
        _said("2", "two"),
    ]
    assert (await make.running(W, "other")).earlier == []


async def test_a_direct_turn_is_taken_where_it_is_made(store: Store, make: Maker) -> None:
    await _answer(store, make, "one", message="1")
    waiting = await make.queued("other")
    assert answered((await make.queued(mode="direct", owner=W)).earlier) == [_said("1", "one")]
    assert waiting.earlier == []


async def test_replaced_turns_leave_the_history(store: Store, make: Maker) -> None:
    await _answer(store, make, "one", message="1")
    await _answer(store, make, "wrong", message="2")
    await _answer(store, make, "wrong again", message="2", replaces=2)
    await _answer(store, make, "right", message="2", replaces=3)
    now = await make.running(W, message="now")
    assert answered(now.earlier) == [
        _said("1", "one"),
        _said("2", "right"),
    ]


async def test_a_version_that_failed_takes_no_good_answer_out_of_the_history(store: Store, make: Maker) -> None:
    await _answer(store, make, "one", message="1")
    await _answer(store, make, "good", message="2")
    failed = await make.running(W, message="2", replaces=2)
    await store.ownership.finish(failed.key, W, Tape([Text("ha")]), Failed(1, 2, "provider_drop", "gone"))
    stopped = await make.running(W, message="2", replaces=3)
    assert answered(stopped.earlier) == [_said("1", "one")]
    await store.ownership.finish(stopped.key, W, Tape([Text("h")]), Done(1, 1, "cancelled"))
    now = await make.running(W, message="now")
    assert answered(now.earlier) == [_said("1", "one"), _said("2", "good")]


async def test_only_the_latest_turn_can_be_replaced(store: Store, make: Maker) -> None:
    await _answer(store, make, "one")
    await _answer(store, make, "two")
    for number in (1, 3):
        with pytest.raises(ReplaceConflict):
            await make.queued(replaces=number)
    assert (await store.sessions.get("s")).turns == 2


async def test_a_discarded_turn_was_never_asked_for(store: Store, make: Maker) -> None:
    await store.turns.discard((await make.queued("new")).key)
    with pytest.raises(NotFound):
        await store.sessions.get("new")
    await _answer(store, make, "one")
    await store.turns.discard((await make.queued()).key)
    assert (await store.sessions.get("s")).turns == 1
    assert (await make.queued()).turn == 2


async def test_a_turn_that_runs_is_not_discarded(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    await store.turns.discard(turn.key)
    assert (await store.turns.get(turn.key)).status == "running"


async def test_the_queue_is_in_order(store: Store, make: Maker) -> None:
    waiting = [await make.queued(session_id) for session_id in ("a", "b", "c")]
    running = await make.running(W, "d")
    done = await make.running(W, "f")
    await store.ownership.finish(done.key, W, Tape(), Done(1, 0, "stop"))
    behind = await make.waiting("g")
    places = {waiting[0].key: 1, waiting[1].key: 2, waiting[2].key: 3, running.key: 0, behind.key: None}
    assert await store.turns.places() == places
    assert [await store.turns.position(turn) for turn in waiting] == [1, 2, 3]
    last = NewTurn(session_id="e", mode="queue", model="m", message="hi", options={})
    assert (await store.turns.create(last)).position == 4
    await store.turns.request_cancel("a")
    assert await store.turns.position(waiting[2]) == 2
    assert (await store.turns.places())[waiting[2].key] == 2


async def test_cancelling_is_idempotent_in_every_state(store: Store, make: Maker) -> None:
    await make.queued("queued")
    for ended_here in (True, False):
        cancelled = await store.turns.request_cancel("queued")
        assert (cancelled.turn.status, cancelled.turn.finish_reason) == ("done", "cancelled")
        assert [turn.key for turn in cancelled.ended_here] == [cancelled.turn.key] * ended_here
    await make.running(W, "running")
    for _ in range(2):
        assert (await store.turns.request_cancel("running")).turn.cancel_requested
    key = await _answer(store, make, "all", session_id="finished")
    before = await store.turns.get(key)
    assert await store.turns.request_cancel("finished") == (before, [])
    with pytest.raises(NotFound):
        await store.turns.request_cancel("unknown")
