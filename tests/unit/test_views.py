"""What is shown of a turn."""

import pytest

from api.turn_views import ToolCallView, TurnView
from core.model.events import Done
from core.model.parts import Part, Refusal, Text, ToolArguments, ToolCall, ToolCallBegun, ToolResult, Unknown
from core.model.tape import Tape
from core.store.store import Store
from core.store.turns.records import Turn
from tests.unit.scripted import OWNER

pytestmark = pytest.mark.anyio


async def test_tools_are_shown_with_what_they_answered(store: Store, turn: Turn) -> None:
    parts: list[Part] = [
        ToolCallBegun("1", "now"),
        ToolArguments('{"in": "UTC"}', 0),
        ToolCall("2", "whole", "[]"),
        ToolResult("1", "noon"),
        Unknown(["of a later release"]),
        Text("It is noon."),
        Refusal("No more."),
    ]
    tape = Tape(parts)
    await store.ownership.finish(turn.key, OWNER, tape, Done(1, len(tape), "stop"), asked_after=0.5)
    view = TurnView.of(await store.turns.get(turn.key))
    assert (view.text, view.refusal) == ("It is noon.", "No more.")
    assert view.tool_calls == [
        ToolCallView(id="1", name="now", arguments='{"in": "UTC"}', result="noon", is_error=False),
        ToolCallView(id="2", name="whole", arguments="[]", result=None, is_error=False),
    ]
    assert view.claimed_at is not None
    assert view.asked_at is not None
    assert round((view.asked_at - view.claimed_at).total_seconds(), 3) == 0.5
    assert view.first_token_at is None
