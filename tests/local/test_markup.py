"""Thoughts and calls of tools in a model's text, in whatever pieces it comes."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.local.markup import MarkedText

ADD = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": [2, "</x>"]}}\n</tool_call>'


def read(pieces: list[str], before: str = "", *, has_tools: bool = True) -> list[tuple[type[Part], str]]:
    """Kinds with their text, as one where several follow each other; of a call, its name and arguments."""
    marked = MarkedText(before, has_tools=has_tools)
    parts = [part for piece in pieces for part in marked.feed(piece)] + marked.finish()
    told: list[tuple[type[Part], str]] = []
    for part in parts:
        match part:
            case ToolCall(name=name, arguments=arguments):
                told.append((ToolCall, f"{name} {json.dumps(json.loads(arguments))}"))
            case Text(text=text) | Reasoning(text=text):
                if told and told[-1][0] is type(part):
                    text = told.pop()[1] + text
                told.append((type(part), text))
    assert marked.has_called == any(kind is ToolCall for kind, _ in told)
    return told


CASES = [
    ("no mark", [(Text, "no mark")]),
    ("<think>so so</think>\n\nyes", [(Reasoning, "so so"), (Text, "\n\nyes")]),
    ("\n<think>so</think>yes", [(Text, "\n"), (Reasoning, "so"), (Text, "yes")]),
    ("yes <think>no</think>", [(Text, "yes <think>no</think>")]),
    ("<think>no end", [(Reasoning, "no end")]),
    ("<think>no end</thi", [(Reasoning, "no end</thi")]),
    ("<thi", [(Text, "<thi")]),
    (f"well{ADD}", [(Text, "well"), (ToolCall, 'add {"a": 1, "b": [2, "</x>"]}')]),
    (f"<think>hm</think>{ADD}{ADD}", [(Reasoning, "hm")] + 2 * [(ToolCall, 'add {"a": 1, "b": [2, "</x>"]}')]),
    ('<tool_call>{"name": "now"}</tool_call>', [(ToolCall, "now {}")]),
    ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', [(ToolCall, 'f {"a": 1}')]),
    ('<tool_call>{"name": "f", "arguments": {"a": "\\ud83d"}}</tool_call>', [(ToolCall, 'f {"a": "\\ufffd"}')]),
    ('<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>', [(ToolCall, 'f {"a": null}')]),
    ("<tool_call>no JSON</tool_call>.", [(Text, "<tool_call>no JSON</tool_call>.")]),
    ("<tool_call>[1]</tool_call>", [(Text, "<tool_call>[1]</tool_call>")]),
    (ADD[:-3], [(Text, ADD[:-3])]),
    ("a < b, <tool", [(Text, "a < b, <tool")]),
]


@pytest.mark.parametrize(("text", "told"), CASES)
def test_parts_are_told_apart(text: str, told: list[tuple[type[Part], str]]) -> None:
    assert read([text]) == told


@given(st.sampled_from([text for text, _ in CASES]), st.lists(st.integers(0, 80), max_size=12))
@example("<think>so so</think>\n\nyes", list(range(30)))
def test_pieces_change_nothing(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert read(pieces) == read([text])


@given(st.text(alphabet="<>/think_ol", max_size=30))
def test_nothing_is_lost(text: str) -> None:
    marks = ("<think>", "</think>", "<tool_call>", "</tool_call>")
    if not any(mark in text for mark in marks):
        assert "".join(told for _, told in read(list(text))) == text


def test_without_tools_a_call_is_text() -> None:
    assert read([ADD], has_tools=False) == [(Text, ADD)]


def test_what_goes_on_has_no_more_thoughts_at_its_begin() -> None:
    assert read(["<think>x</think>"], "It is said") == [(Text, "<think>x</think>")]
