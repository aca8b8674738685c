"""Steps and calls as they are stored: in order, and by the process alone whose own the attempt is."""

import pytest

from core.model.events import Failed, Usage
from core.model.parts import Part, StepBegun, StepEnded, Text, ToolCall, ToolResult
from core.store.liveness import SILENT_SECONDS
from core.store.store import Store
from core.store.turns.records import Turn
from core.store.turns.steps import OwnAttempt, StoredCall, StoredStep
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

W = "worker-1"
CALLS = [ToolCall("a", "now", "{}"), ToolCall("b", "later", '{"in": 5}'), ToolCall("c", "now", "")]
SAID: list[Part] = [Text("Let me see."), *CALLS]
PLANNED = [StoredCall(number, call) for number, call in enumerate(CALLS, 1)]


def own(turn: Turn, **changes: object) -> OwnAttempt:
    values: dict[str, object] = {"key": turn.key, "attempt": turn.attempt, "process_id": W, **changes}
    return OwnAttempt(**values)  # type: ignore[arg-type]


async def test_what_was_stored_is_read(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    step = StoredStep(1, SAID, PLANNED, Usage(3, 4, cached_tokens=1), 0.25)
    assert await store.steps.plan(own(turn), step)
    assert await store.steps.read(turn.key) == [step]
    assert await store.steps.plan(own(turn), StoredStep(2, [Text("Hm.")], PLANNED[:1]))
    assert [each.number for each in await store.steps.read(turn.key)] == [1, 2]
    assert await store.steps.read((await make.running(W, "another")).key) == []


async def test_calls_are_read_in_the_order_of_their_results(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    await store.steps.plan(own(turn), StoredStep(1, SAID, PLANNED))
    for number in (1, 2, 3):
        assert await store.steps.begin(own(turn), 1, number)
    for done_as, number in enumerate((3, 1), 1):
        result = ToolResult(CALLS[number - 1].id, f"result {number}", name="now", seconds=0.5, truncated=True)
        assert await store.steps.finish(own(turn), 1, number, result, done_as)
    (step,) = await store.steps.read(turn.key)
    assert [(each.number, each.status) for each in step.calls] == [(3, "done"), (1, "done"), (2, "running")]
    assert step.calls[0].result == ToolResult("c", "result 3", name="now", seconds=0.5, truncated=True)
    assert step.calls[2].result is None


@pytest.mark.parametrize("changes", [{"attempt": 2}, {"process_id": "worker-2"}], ids=["attempt", "process"])
async def test_nobody_else_writes(store: Store, make: Maker, changes: dict[str, object]) -> None:
    turn = await make.running(W)
    assert not await store.steps.plan(own(turn, **changes), StoredStep(1, SAID, PLANNED))
    assert await store.steps.read(turn.key) == []
    step = StoredStep(1, SAID, PLANNED)
    assert await store.steps.plan(own(turn), step)
    assert not await store.steps.begin(own(turn, **changes), 1, 1)
    assert not await store.steps.finish(own(turn, **changes), 1, 1, ToolResult("a", "late"), 1)
    assert await store.steps.read(turn.key) == [step]


async def test_a_turn_that_another_process_ends_keeps_what_was_done(store: Store, make: Maker) -> None:
    turn = await make.running(await make.process(W))
    first, second = StoredStep(1, SAID[:2], PLANNED[:1]), StoredStep(2, SAID[2:], PLANNED[1:])
    results = [ToolResult(call.id, f"result of {call.id}", name=call.name) for call in CALLS]
    await store.steps.plan(own(turn), first)
    await store.steps.finish(own(turn), 1, 1, results[0], 1)
    await store.steps.plan(own(turn), second)
    await store.steps.finish(own(turn), 2, 3, results[2], 1)
    await make.age(SILENT_SECONDS + 1, process=W)
    end = await store.orphans.finish(turn.key, Failed(1, 0, "process_lost", "gone"))
    stored = await store.turns.get(turn.key)
    between = [StepEnded(1), StepBegun(2)]
    assert stored.read_tape().slice() == [StepBegun(1), *SAID[:2], results[0], *between, *SAID[2:], results[2]]
    assert end == stored.end()
    assert not await store.steps.begin(own(turn), 2, 2)


async def test_a_plan_that_was_stored_can_be_stored_again(store: Store, make: Maker) -> None:
    """The answer to the first one may have been lost."""
    turn = await make.running(W)
    step = StoredStep(1, SAID, PLANNED)
    await store.steps.plan(own(turn), step)
    await store.steps.begin(own(turn), 1, 1)
    assert await store.steps.plan(own(turn), step)
    (read,) = await store.steps.read(turn.key)
    assert [each.status for each in read.calls] == ["running", "planned", "planned"]


async def test_they_go_with_their_session(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    await store.steps.plan(own(turn), StoredStep(1, SAID, PLANNED))
    await store.sessions.delete("s")
    assert await store.steps.read(turn.key) == []
