"""The prompt: the newest whole exchanges that fit the budget."""

from uuid import uuid4

import msgspec
import pytest

from core.model.parts import (
    Opaque,
    Part,
    Reasoning,
    StepBegun,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
)
from core.model.tape import Tape
from core.providers.base import Message, TextContent, Thought, ToolCallRequest
from core.providers.catalogue.models import Model
from core.settings import Settings
from core.store.store import Store
from core.store.turns.records import Earlier, NewTurn, Turn
from core.turns.attempts.answer_messages import answer_messages
from core.turns.attempts.prompt import Exchange, Prompt, newest_whole_exchanges

MODEL = Model(name="m", provider="demo")


def said(message: str, answer: str) -> Exchange:
    return Exchange(message, [Message("assistant", answer)])


async def turn_after(store: Store, *earlier: tuple[str, str]) -> Turn:
    """A turn that asks `now`, after these questions and answers."""
    new = NewTurn(session_id=uuid4().hex, mode="queue", model="m", message="now", options={})
    turn = (await store.turns.create(new)).turn
    said = [Earlier(message, Tape([Text(answer)]).encode()) for message, answer in earlier]
    return msgspec.structs.replace(turn, earlier=said)


pytestmark = pytest.mark.anyio
HISTORY = [said("a" * 4, "b" * 6), said("c" * 3, "d" * 7), said("e", "f" * 9)]


@pytest.mark.parametrize(("budget", "kept"), [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (1000, 3)])
def test_whole_exchanges_are_kept_from_the_newest_on(budget: int, kept: int) -> None:
    assert newest_whole_exchanges(HISTORY, budget) == HISTORY[len(HISTORY) - kept :]


def test_a_long_exchange_leaves_no_gap() -> None:
    history = [said("old", "old"), said("x" * 100, ""), said("new", "new")]
    assert newest_whole_exchanges(history, 50) == history[2:]


async def test_roles_alternate_after_the_system_prompt(store: Store) -> None:
    prompt = Prompt(await turn_after(store, ("e", "f" * 9)), Settings(system_prompt="be kind"))
    assert prompt.request(MODEL, 1).messages == [
        Message("system", "be kind"),
        Message("user", "e"),
        Message("assistant", "f" * 9),
        Message("user", "now"),
    ]
    assert Prompt(await turn_after(store), Settings()).request(MODEL, 1).messages == [Message("user", "now")]


@pytest.mark.parametrize(
    ("fits", "kept"),
    [
        (None, [3, 1, 0]),  # half of the history each time
        (0.95, [4, 2, 1, 0]),
        (0.01, [0]),
    ],
)
async def test_the_oldest_exchanges_are_left_out(store: Store, fits: float | None, kept: list[int]) -> None:
    earlier = [(f"q{n}" * 10, f"a{n}" * 10) for n in range(6)]
    prompt = Prompt(await turn_after(store, *earlier), Settings(system_prompt="be kind"))
    whole = prompt.request(MODEL, 1).messages
    for count in kept:
        assert prompt.shorten(fits)
        assert prompt.exchanges == count
        assert prompt.request(MODEL, 1).messages == [whole[0], *whole[13 - 2 * count :]]
    assert not prompt.shorten(fits)


async def test_messages_of_the_caller_s_own_are_not_shortened(store: Store) -> None:
    asked = {"messages": [{"role": "user", "content": "old"}, {"role": "user", "content": "now"}]}
    new = NewTurn(session_id="s", mode="queue", model="m", message="now", options={}, input=asked)
    assert not Prompt((await store.turns.create(new)).turn, Settings()).shorten(0.5)


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
            reasoning="hm",
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


async def test_a_turn_that_brings_its_messages_is_asked_with_those_after_the_operator_s(store: Store) -> None:
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
    request = Prompt(turn, Settings(system_prompt="of the operator")).request(MODEL, 1)
    assert request.messages == [
        Message("system", "of the operator"),
        Message("system", "be kind"),
        Message("user", [TextContent("what is this?")]),
        Message("assistant", "", [ToolCallRequest("1", "now", "{}")]),
        Message("tool", "noon", tool_call_id="1"),
    ]
    assert (request.tools, request.tool_choice) == (asked["tools"], "auto")
    assert (request.response_format, request.options) == ({"type": "json_object"}, {"seed": 1})


def test_what_a_service_wants_back_goes_with_the_calls_that_it_belongs_to() -> None:
    parts: list[Part] = [
        Reasoning("First."),
        Opaque("a.signature", "s1"),
        Opaque("a.redacted", "r"),
        Text("Yes."),
        Reasoning("Well."),
        ToolCall("1", "now", "{}"),
        Opaque("g.signature", "s2"),
        ToolResult("1", "noon"),
        Reasoning("Then."),
        Opaque("a.signature", "s3"),
        Text("It is noon."),
    ]
    call, _, last = answer_messages(parts)
    assert call.thoughts == [
        Thought("a.signature", "s1", "First."),
        Thought("a.redacted", "r"),
        Thought("g.signature", "s2", "1"),
    ]
    assert call.reasoning == "First.Well."
    assert last == Message("assistant", "It is noon.", reasoning="Then.")  # said without calls, in a turn with some
    assert answer_messages([Reasoning("Hm."), Text("Yes.")]) == [Message("assistant", "Yes.")]
