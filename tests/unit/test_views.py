"""What is shown of a turn."""

from typing import Any

import pytest
from msgspec.structs import asdict

from api.turn_views import ToolCallView, TurnList, TurnView
from core.model.events import Done
from core.model.parts import (
    Part,
    Refusal,
    StepBegun,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
    Unknown,
)
from core.model.tape import Tape
from core.store.store import Store
from core.store.turns.pages import Bookmark
from core.store.turns.records import Labels, NewTurn, Turn
from tests.unit.scripted import OWNER

pytestmark = pytest.mark.anyio


def call_view(**fields: Any) -> ToolCallView:
    plain: dict[str, Any] = {"arguments": "{}", "step": 1, "at": 0, "result": None, "is_error": False}
    return ToolCallView(**{**plain, "truncated": False, "seconds": None, "in_doubt": False, **fields})


async def test_tools_are_shown_with_what_they_answered(store: Store, turn: Turn) -> None:
    parts: list[Part] = [
        ToolCallBegun("1", "now"),
        ToolArguments('{"in": "UTC"}', 0),
        ToolCall("2", "whole", "[]"),
        ToolResult("1", "noon", seconds=0.5, truncated=True),
        StepBegun(2),
        Text("So "),
        ToolCall("3", "last", "{}"),
        Unknown(["of a later release"]),
        Text("it is noon."),
        Refusal("No more."),
    ]
    tape = Tape(parts)
    await store.ownership.finish(turn.key, OWNER, tape, Done(1, len(tape), "stop"), asked_after=0.5)
    view = TurnView.of(await store.turns.get(turn.key))
    assert (view.text, view.refusal) == ("So it is noon.", "No more.")
    assert view.tool_calls == [
        call_view(id="1", name="now", arguments='{"in": "UTC"}', result="noon", seconds=0.5, truncated=True),
        call_view(id="2", name="whole", arguments="[]"),
        call_view(id="3", name="last", step=2, at=3),
    ]
    assert view.steps == 1
    assert view.claimed_at is not None
    assert view.asked_at is not None
    assert round((view.asked_at - view.claimed_at).total_seconds(), 3) == 0.5
    assert view.first_token_at is None


async def test_labels_are_shown_in_full_and_in_lists(store: Store) -> None:
    labels = Labels("g", "w", "r", {"team": "é"})
    for session_id, each in (("labelled", labels), ("plain", Labels())):
        new = NewTurn(session_id=session_id, mode="queue", model="m", message="hi", options={}, labels=each)
        await store.turns.create(new)
        told = TurnView.of(await store.turns.latest(session_id)).model_dump()
        (listed,) = TurnList.of(await store.turns.page(1)).turns
        assert listed.session_id == session_id
        for shown in (told, listed.model_dump()):
            assert {name: shown[name] for name in ("goal_id", "work_item_id", "run_id", "metadata")} == asdict(each)


async def test_a_page_names_the_one_that_follows(store: Store, turn: Turn) -> None:
    assert TurnList.of(await store.turns.page(1)).next is None
    await store.turns.create(NewTurn(session_id="t", mode="queue", model="m", message="hi", options={}))
    page = await store.turns.page(1)
    shown = TurnList.of(page).next
    assert shown is not None
    assert Bookmark.decode(shown) == page.next
    assert [turn.key for turn in (await store.turns.page(1, before=Bookmark.decode(shown))).turns] == [turn.key]
