"""Turns with tools whose worker is lost: no finished call is made again, and viewers lose and double nothing."""

import asyncio

import msgspec
import pytest

from core.model.events import Done, Usage
from core.model.feed import Feed
from core.model.parts import (
    Part,
    StepBegun,
    StepEnded,
    Text,
    ToolCall,
    ToolResult,
)
from core.store.store import Store
from core.store.turns.records import Turn
from core.store.turns.steps import OwnAttempt, StoredCall, StoredStep
from core.turns.run import Stop
from tests.patience import PATIENCE_SECONDS
from tests.unit.scripted import OWNER, Scripted
from tests.unit.stepping import ANSWER, CALLS, FakeTool, call, running

pytestmark = pytest.mark.anyio


class Left:
    """What a worker has left that died."""

    def __init__(self, store: Store, turn: Turn) -> None:
        self.own = OwnAttempt(turn.key, turn.attempt, OWNER)
        self._store = store
        self._turn = turn

    async def plan(self, *calls: ToolCall, step: int = 1) -> list[Part]:
        said: list[Part] = [Text(f"Step {step}."), *calls]
        planned = [StoredCall(number, each) for number, each in enumerate(calls, 1)]
        assert await self._store.steps.plan(self.own, StoredStep(step, said, planned, Usage(1, 1), 0.25))
        return said

    async def begin(self, *numbers: int, step: int = 1) -> None:
        for number in numbers:
            assert await self._store.steps.begin(self.own, step, number)

    async def finish(self, number: int, done_as: int = 1, step: int = 1) -> ToolResult:
        result = ToolResult(f"c{number}", f"result {number}", name="now")
        assert await self._store.steps.finish(self.own, step, number, result, done_as)
        return result

    async def taken_over(self) -> Turn:
        attempt = await self._store.ownership.next_attempt(self._turn.key, self._turn.attempt, OWNER) or 0
        return msgspec.structs.replace(self._turn, attempt=attempt, lost_attempts=1)


@pytest.fixture
def left(store: Store, agent_turn: Turn) -> Left:
    return Left(store, agent_turn)


async def test_what_the_steps_before_have_cost_counts(store: Store, left: Left, now: FakeTool) -> None:
    await left.plan(call(1))
    turn = await left.taken_over()
    await running(turn, store, Scripted(ANSWER), now).execute()
    stored = await store.turns.get(turn.key)
    assert (stored.cost, stored.usage) == (0.25, Usage(21, 4, cached_tokens=4))


async def test_a_taken_over_turn_repeats_no_finished_call(store: Store, left: Left, now: FakeTool) -> None:
    await left.plan(call(1), call(2), call(3))
    await left.begin(1, 2)
    await left.finish(2)
    await left.finish(1, done_as=2)
    provider = Scripted(ANSWER)
    run = running(await left.taken_over(), store, provider, now)
    await run.execute()
    assert now.keys == ["s.1.1.3"]
    results = [part.content for part in run.feed.tape.slice() if isinstance(part, ToolResult)]
    assert results == ["result 2", "result 1", "now: ok"]
    assert [message.text() for message in provider.requests[0].messages[-3:]] == ["result 1", "result 2", "now: ok"]
    assert (run.feed.attempt, run.feed.tape.text()) == (2, "Step 1.It is noon.")
    assert isinstance(run.feed.end, Done)
    assert run.feed.end.usage == Usage(21, 4, cached_tokens=4)


async def test_the_call_in_flight_is_repeated_if_it_may_be(
    store: Store, left: Left, now: FakeTool, again: FakeTool
) -> None:
    await left.plan(call(1), call(2, "again"))
    await left.begin(1, 2)
    provider = Scripted(ANSWER)
    run = running(await left.taken_over(), store, provider, now, again)
    await run.execute()
    assert (now.keys, again.keys) == ([], ["s.1.1.2"])
    doubtful, repeated = sorted(
        (part for part in run.feed.tape.slice() if isinstance(part, ToolResult)), key=lambda part: part.call_id
    )
    assert (doubtful.in_doubt, doubtful.is_error, repeated.in_doubt) == (True, True, False)
    assert "unknown" in provider.requests[0].messages[-2].text()


async def test_steps_that_are_done_are_not_asked_for_again(store: Store, left: Left, now: FakeTool) -> None:
    for step in (1, 2):
        await left.plan(call(1), step=step)
        await left.begin(1, step=step)
        await left.finish(1, step=step)
    provider = Scripted(ANSWER)
    run = running(await left.taken_over(), store, provider, now)
    await run.execute()
    assert (len(provider.requests), now.keys) == (1, [])
    assert [part.number for part in run.feed.tape.slice() if isinstance(part, StepBegun)] == [1, 2, 3]


async def test_viewers_who_have_no_more_than_is_stored_see_no_restart(store: Store, left: Left, now: FakeTool) -> None:
    said = await left.plan(call(1))
    taken = await left.taken_over()
    past = Feed(taken.key)
    past.start(1, "m", None, "demo", parts=[StepBegun(1), *said])
    run = running(taken, store, Scripted(ANSWER), now, past=past)
    await run.execute()
    assert (run.feed.attempt, run.feed.origin) == (2, 1)


async def test_viewers_who_have_more_see_one(store: Store, left: Left, now: FakeTool) -> None:
    said = await left.plan(call(1))
    await left.begin(1)
    result = await left.finish(1)
    taken = await left.taken_over()
    past = Feed(taken.key)
    beyond: list[Part] = [StepEnded(1), StepBegun(2), Text("void")]
    past.start(1, "m", None, "demo", parts=[StepBegun(1), *said, result, *beyond])
    run = running(taken, store, Scripted(ANSWER), now, past=past)
    await run.execute()
    assert (run.feed.attempt, run.feed.origin, run.feed.tape.text()) == (2, 2, "Step 1.It is noon.")


async def test_who_has_lost_the_turn_makes_no_call(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    provider = Scripted([call(1), CALLS], ANSWER)
    run = running(agent_turn, store, provider, now)
    await store.ownership.next_attempt(agent_turn.key, 1, OWNER)
    await run.execute()
    assert (now.keys, run.feed.end) == ([], None)
    assert await store.steps.read(agent_turn.key) == []


async def test_a_turn_that_is_cancelled_cancels_its_calls(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def gate(_: int) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    now.gate = gate
    run = running(agent_turn, store, Scripted([call(1), CALLS]), now)
    executing = asyncio.create_task(run.execute())
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    run.stop(Stop.CANCELLED)
    await asyncio.wait_for(executing, PATIENCE_SECONDS)
    assert ended.is_set()
    assert isinstance(run.feed.end, Done)
    assert (run.feed.end.finish_reason, run.feed.end.usage) == ("cancelled", Usage(10, 5))


@pytest.mark.parametrize("places", [1, 2], ids=["before the next call", "before the next pass"])
async def test_who_stops_in_order_leaves_no_call_in_doubt(
    store: Store, agent_turn: Turn, now: FakeTool, places: int
) -> None:
    provider = Scripted([call(1), call(2), CALLS], ANSWER)
    first = running(agent_turn, store, provider, now, parallel_tool_calls=places)

    async def retire(_: int) -> None:
        if len(now.keys) == places:
            first.retire()

    now.gate = retire
    await asyncio.wait_for(first.execute(), PATIENCE_SECONDS)
    assert (first.stopped, first.feed.end, len(now.keys), len(provider.requests)) == (
        Stop.HANDED_OVER,
        None,
        places,
        1,
    )
    now.gate = None
    claimed = await store.ownership.claim(agent_turn.key, OWNER)
    assert isinstance(claimed, Turn)
    assert (claimed.restart_reason, claimed.lost_attempts) == ("handed_over", 0)
    second = running(claimed, store, provider, now)
    await second.execute()
    assert sorted(now.keys) == ["s.1.1.1", "s.1.1.2"]
    results = [part for part in second.feed.tape.slice() if isinstance(part, ToolResult)]
    assert ([each.in_doubt for each in results], second.feed.tape.text()) == ([False, False], "It is noon.")
