"""Parts for processes of before: nothing of an answer is lost on a reader who knows text and whole calls alone."""

import pytest

from core.model.parts import (
    Opaque,
    Part,
    Reasoning,
    Refusal,
    StepBegun,
    StepEnded,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
)
from core.turns.attempts.compatibility import GROWING_CALLS_FORMAT, ReadableParts
from core.version import FORMAT

NEW: list[Part] = [
    Reasoning("hm"),
    ToolCallBegun("1", "now"),
    ToolCallBegun("2", "later"),
    ToolArguments('{"in":', 0),
    ToolArguments("{}", 1),
    ToolArguments(' "UTC"}', 0),
    Text("It is noon."),
    ToolCallBegun("3", "last"),
    ToolArguments("[", 2),
    Refusal(" No more."),
    ToolArguments("]", 2),
]
OLD: list[Part] = [
    Reasoning("hm"),
    Text("It is noon."),
    Text(" No more."),
    ToolCall("1", "now", '{"in": "UTC"}'),
    ToolCall("2", "later", "{}"),
    ToolCall("3", "last", "[]"),
]


def test_they_go_as_they_are_where_everybody_can_read_them() -> None:
    readable = ReadableParts(oldest_format=FORMAT)
    assert readable.convert(NEW) is NEW
    assert readable.finish() == []


def test_what_a_service_wants_back_is_left_out_while_not_all_know_it() -> None:
    readable = ReadableParts(oldest_format=2)
    assert readable.convert([Reasoning("hm"), Opaque("some.signature", "s"), Text("a")]) == [Reasoning("hm"), Text("a")]


@pytest.mark.parametrize("oldest", range(1, GROWING_CALLS_FORMAT))
def test_they_go_as_older_ones_while_an_old_process_lives(oldest: int) -> None:
    readable = ReadableParts(oldest_format=oldest)
    converted = [converted for part in NEW for converted in readable.convert([part])]
    assert converted + readable.finish() == OLD
    assert readable.finish() == []


def test_steps_and_results_are_left_out_for_who_knows_none() -> None:
    parts: list[Part] = [StepBegun(1), Text("a"), ToolResult("1", "noon"), StepEnded(1)]
    assert ReadableParts(oldest_format=1).convert(parts) == [Text("a")]


def test_a_call_at_the_end_is_not_forgotten() -> None:
    readable = ReadableParts(oldest_format=1)
    assert readable.convert([ToolCallBegun("1", "now"), ToolArguments("{}", 0)]) == []
    assert readable.finish() == [ToolCall("1", "now", "{}")]
