"""Turns with tools: model, calls, results, model, up to their limits."""

import asyncio
from collections import Counter

import msgspec
import pytest

from core.model.errors import ProviderDropped
from core.model.events import Done, Failed, Usage
from core.model.parts import (
    Opaque,
    Reasoning,
    StepBegun,
    StepEnded,
    Text,
    ToolCall,
    ToolCallBegun,
    ToolResult,
)
from core.providers.base import Finish, Kept, Message, Thought, Told, ToolCallRequest
from core.store.store import Store
from core.store.turns.records import Turn
from tests.patience import PATIENCE_SECONDS
from tests.unit.scripted import Item, Scripted
from tests.unit.stepping import ANSWER, CALLS, STOP, FakeTool, call, pieces, running, shape

pytestmark = pytest.mark.anyio


async def test_the_model_is_asked_again_with_what_its_tools_answer(
    store: Store, agent_turn: Turn, now: FakeTool
) -> None:
    provider = Scripted([Text("Hm."), call(1, arguments='{"say": "noon"}'), CALLS], ANSWER)
    run = running(agent_turn, store, provider, now)
    await run.execute()
    result = ToolResult("c1", "now: noon", name="now")
    assert shape(run) == [
        StepBegun(1),
        Text("Hm."),
        call(1, arguments='{"say": "noon"}'),
        result,
        StepEnded(1),
        StepBegun(2),
        Text("It is noon."),
        StepEnded(2),
    ]
    assert run.feed.end == Done(1, len(run.feed.tape), "stop", Usage(30, 8, cached_tokens=4), "m", "demo")
    assert now.keys == ["s.1.1.1"]
    first, second = provider.requests
    assert [tool["function"]["name"] for tool in first.tools or []] == ["now"]
    assert first.tools == second.tools
    assert second.messages[len(first.messages) :] == [
        Message("assistant", "Hm.", [ToolCallRequest("c1", "now", '{"say": "noon"}')]),
        Message("tool", "now: noon", tool_call_id="c1"),
    ]
    stored = await store.turns.get(agent_turn.key)
    assert stored.read_tape() == run.feed.tape
    assert [each["outcome"] for each in stored.tries or []] == ["tool_calls", "stop"]


async def test_a_call_that_is_asked_for_is_asked_for_once(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    """Or the model could never answer."""
    asked = msgspec.structs.replace(agent_turn, input={**(agent_turn.input or {}), "tool_choice": "required"})
    provider = Scripted([call(1), CALLS], ANSWER)
    await running(asked, store, provider, now).execute()
    assert [request.tool_choice for request in provider.requests] == ["required", None]


async def test_calls_in_pieces_come_whole(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    said: list[Item] = [Text("Hm."), *pieces(1, 0, arguments='{"say": "a"}'), Text(" And."), *pieces(2, 1), CALLS]
    run = running(agent_turn, store, Scripted(said, ANSWER), now)
    await run.execute()
    assert shape(run)[:4] == [StepBegun(1), Text("Hm. And."), call(1, arguments='{"say": "a"}'), call(2)]
    assert sorted(now.keys) == ["s.1.1.1", "s.1.1.2"]


async def test_what_a_service_wants_back_goes_back_with_the_calls(
    store: Store, agent_turn: Turn, now: FakeTool
) -> None:
    said: list[Item] = [Reasoning("hm"), Opaque("x.signature", "sig"), call(1), Opaque("x.signature", "of call"), CALLS]
    provider = Scripted(said, ANSWER)
    await running(agent_turn, store, provider, now).execute()
    assert provider.requests[1].messages[-2].thoughts == [
        Thought("x.signature", "sig", "hm"),
        Thought("x.signature", "of call", "c1"),
    ]


async def test_ids_that_come_again_are_told_apart(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    """Some services count the calls of each answer anew, and some tell no ids."""
    same: list[Item] = [call(1), ToolCall("", "now", '{"say": "b"}'), CALLS]
    run = running(agent_turn, store, Scripted(same, same, ANSWER), now)
    await run.execute()
    calls = [part.id for part in run.feed.tape.slice() if isinstance(part, ToolCall)]
    results = Counter(part.call_id for part in run.feed.tape.slice() if isinstance(part, ToolResult))
    assert len(set(calls)) == 4
    assert results == Counter(calls)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (call(1, "never"), "There is no tool 'never'"),
        (call(1, arguments="{"), "no valid JSON"),
        (call(1, arguments='{"fail": true}'), "no such day"),
    ],
)
async def test_what_goes_wrong_is_for_the_model_to_see(
    store: Store, agent_turn: Turn, now: FakeTool, asked: ToolCall, words: str
) -> None:
    provider = Scripted([asked, CALLS], ANSWER)
    run = running(agent_turn, store, provider, now)
    await run.execute()
    (result,) = [part for part in run.feed.tape.slice() if isinstance(part, ToolResult)]
    assert result.is_error
    assert words in result.content
    assert provider.requests[1].messages[-1].text() == result.content
    assert isinstance(run.feed.end, Done)


async def test_calls_of_a_step_run_side_by_side_up_to_a_limit(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    at_once = most = 0

    async def gate(_: int) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    now.gate = gate
    run = running(
        agent_turn, store, Scripted([*map(call, range(9)), CALLS], ANSWER), now, parallel_tool_calls=3, max_tool_calls=9
    )
    await run.execute()
    assert (len(now.keys), most) == (9, 3)


async def test_results_are_shown_as_they_come(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    first = asyncio.Event()

    async def gate(number: int) -> None:
        if number == 1:
            await first.wait()

    now.gate = gate
    run = running(agent_turn, store, Scripted([call(1), call(2), CALLS], ANSWER), now)
    executing = asyncio.create_task(run.execute())
    with run.feed.watch() as changed:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(isinstance(part, ToolResult) for part in run.feed.tape.slice()):
                await changed.wait()
                changed.clear()
    first.set()
    await executing
    results = [part.call_id for part in run.feed.tape.slice() if isinstance(part, ToolResult)]
    assert results == ["c2", "c1"]
    (step,) = await store.steps.read(agent_turn.key)
    assert [each.call.id for each in step.calls] == results


@pytest.mark.parametrize("limit", [{"max_steps": 3}, {"max_tool_calls": 4}])
async def test_who_would_never_stop_is_stopped(
    store: Store, agent_turn: Turn, now: FakeTool, limit: dict[str, int]
) -> None:
    provider = Scripted([call(1), call(2), CALLS])
    run = running(agent_turn, store, provider, now, **limit)
    await run.execute()
    assert isinstance(run.feed.end, Done)
    assert (run.feed.end.finish_reason, len(provider.requests), len(now.keys)) == ("tool_limit", 3, 4)
    assert run.feed.tape.slice()[-1] == StepEnded(3)


async def test_an_answer_that_was_cut_short_calls_nothing(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    run = running(agent_turn, store, Scripted([call(1), Finish("length")]), now)
    await run.execute()
    assert isinstance(run.feed.end, Done)
    assert (run.feed.end.finish_reason, now.keys) == ("length", [])


async def test_a_turn_without_tools_has_no_steps(store: Store, turn: Turn, now: FakeTool) -> None:
    run = running(turn, store, Scripted([call(1), CALLS]), now)
    await run.execute()
    assert (run.feed.tape.slice(), now.keys) == ([call(1)], [])
    assert isinstance(run.feed.end, Done)
    assert run.feed.end.finish_reason == "tool_calls"


async def test_a_drop_costs_no_step_that_is_done(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    drop: list[Item] = [Text("It "), ProviderDropped("gone")]
    provider = Scripted([call(1), CALLS], drop, ANSWER)
    run = running(agent_turn, store, provider, now)
    await run.execute()
    assert now.keys == ["s.1.1.1"]
    assert (run.feed.tape.text(), run.feed.attempt, run.feed.origin) == ("It is noon.", 2, 2)
    assert shape(run)[:2] == [StepBegun(1), call(1)]
    assert provider.requests[2].messages == provider.requests[1].messages


async def test_a_drop_before_anything_new_was_said_is_not_seen(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    """Viewers have all that there is of the new attempt."""
    thoughts: list[Item] = [ToolCallBegun("c9", "now"), ProviderDropped("gone")]
    run = running(agent_turn, store, Scripted([call(1), CALLS], thoughts, ANSWER), now)
    await run.execute()
    assert (run.feed.attempt, run.feed.origin, run.feed.tape.text()) == (2, 1, "It is noon.")


async def test_a_drop_is_gone_on_with_in_its_step(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    drop: list[Item] = [Text("It is "), ProviderDropped("gone")]
    provider = Scripted([Text("Hm."), call(1), CALLS], drop, [Text("noon."), STOP])
    run = running(agent_turn, store, provider, now, traits={"continues": True})
    await run.execute()
    assert (run.feed.tape.text(), run.feed.attempt, run.feed.origin) == ("Hm.It is noon.", 2, 1)
    assert provider.requests[2].messages[-1] == Message("assistant", "It is")
    assert provider.requests[2].messages[-2] == Message("tool", "now: ok", tool_call_id="c1")


async def test_an_answer_that_fails_keeps_the_steps_before(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    drop: list[Item] = [Text("It is "), ProviderDropped("gone")]
    run = running(agent_turn, store, Scripted([call(1), CALLS], drop), now, provider_drop="error")
    await run.execute()
    assert isinstance(run.feed.end, Failed)
    assert shape(run)[-2:] == [StepBegun(2), Text("It is ")]


async def test_a_kept_answer_is_gone_on_with_amid_its_calls(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    """What viewers have lacks the call, whose pieces are held back until it is whole."""
    drop: list[Item] = [Text("Hm."), *pieces(1, 0, arguments="{}"), Text(" And "), ProviderDropped("gone")]
    again: list[Item] = [*pieces(1, 0, arguments="{}"), Text(" And then."), CALLS]
    provider = Scripted(drop, again, ANSWER, told=Told(kept=Kept("r1", 2, 3)))  # as far as calls begin
    run = running(agent_turn, store, provider, now, traits={"api": "responses"})
    await run.execute()
    assert shape(run)[:4] == [StepBegun(1), Text("Hm. And then."), call(1), ToolResult("c1", "now: ok", name="now")]
    assert provider.requests[1].kept == Kept("r1", 2, 3)
