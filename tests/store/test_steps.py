"""Steps and calls as they are stored: in order, and by the process alone whose own the attempt is."""

import pytest

from core.model.events import Usage
from core.model.parts import Part, Text, ToolCall, ToolResult
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
    step = StoredStep(1, SAID, PLANNED, Usage(3, 4, cached_tokens=1))
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
