"""The prompt: the newest whole exchanges that fit the budget."""

import pytest

from core.model.parts import (
    Part,
    Reasoning,
    StepBegun,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
)
from core.providers.base import Message, TextContent, ToolCallRequest
from core.settings import Settings
from core.store.store import Store
from core.store.turns.records import NewTurn
from core.turns.prompt import Exchange, answer_messages, build_messages, build_request, newest_whole_exchanges


def said(message: str, answer: str) -> Exchange:
    return Exchange(message, [Message("assistant", answer)])


pytestmark = pytest.mark.anyio
HISTORY = [said("a" * 4, "b" * 6), said("c" * 3, "d" * 7), said("e", "f" * 9)]


@pytest.mark.parametrize(("budget", "kept"), [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (1000, 3)])
def test_whole_exchanges_are_kept_from_the_newest_on(budget: int, kept: int) -> None:
    assert newest_whole_exchanges(HISTORY, budget) == HISTORY[len(HISTORY) - kept :]


def test_a_long_exchange_leaves_no_gap() -> None:
    history = [said("old", "old"), said("x" * 100, ""), said("new", "new")]
    assert newest_whole_exchanges(history, 50) == history[2:]


def test_roles_alternate_after_the_system_prompt() -> None:
    messages = build_messages("now", HISTORY[2:], system_prompt="be kind", max_history_chars=100)
    assert messages == [
        Message("system", "be kind"),
        Message("user", "e"),
        Message("assistant", "f" * 9),
        Message("user", "now"),
    ]
    assert build_messages("now", [], system_prompt=None, max_history_chars=0) == [Message("user", "now")]


def test_the_results_of_tools_follow_their_calls() -> None:
    parts: list[Part] = [
        Reasoning("hm"),
        Text("Let me see."),
        ToolCallBegun("1", "now"),
        ToolArguments('{"in": "UTC"}', 0),
        ToolCallBegun("2", "later"),
        ToolArguments("{}", 1),
        ToolResult("1", "noon"),
        ToolResult("2", "never"),
        StepBegun(2),
        ToolCallBegun("3", "again"),
        ToolArguments("[]", 2),
        ToolResult("3", "noon"),
        Text("It is noon."),
    ]
    assert answer_messages(parts) == [
        Message(
            "assistant",
            "Let me see.",
            [ToolCallRequest("1", "now", '{"in": "UTC"}'), ToolCallRequest("2", "later", "{}")],
        ),
        Message("tool", "noon", tool_call_id="1"),
        Message("tool", "never", tool_call_id="2"),
        Message("assistant", "", [ToolCallRequest("3", "again", "[]")]),
        Message("tool", "noon", tool_call_id="3"),
        Message("assistant", "It is noon."),
    ]


def test_a_call_without_a_result_is_left_out() -> None:
    """A model's service refuses a conversation with such a one."""
    assert answer_messages([Text("a"), ToolCall("1", "now", "{}")]) == [Message("assistant", "a")]
    assert answer_messages([ToolCall("1", "now", "{}")]) == []


def test_tools_count_for_the_budget() -> None:
    exchange = Exchange("1", answer_messages([ToolCall("1", "now", "2345"), ToolResult("1", "678"), Text("90")]))
    assert exchange.chars == 10


async def test_a_turn_that_brings_its_messages_is_asked_with_those_alone(store: Store) -> None:
    asked = {
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "what is this?"}]},
            {"role": "assistant", "tool_calls": [{"id": "1", "name": "now", "arguments": "{}"}]},
            {"role": "tool", "content": "noon", "tool_call_id": "1"},
        ],
        "tools": [{"type": "function", "function": {"name": "now"}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
    }
    new = NewTurn(session_id="s", mode="queue", model="m", message="noon", options={"seed": 1}, input=asked)
    turn = await store.turns.get((await store.turns.create(new)).turn.key)
    request = build_request(turn, Settings(system_prompt="of the operator"))
    assert request.messages == [
        Message("system", "be kind"),
        Message("user", [TextContent("what is this?")]),
        Message("assistant", "", [ToolCallRequest("1", "now", "{}")]),
        Message("tool", "noon", tool_call_id="1"),
    ]
    assert (request.tools, request.tool_choice) == (asked["tools"], "auto")
    assert (request.response_format, request.options) == ({"type": "json_object"}, {"seed": 1})
