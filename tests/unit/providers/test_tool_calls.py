"""Tool calls, put together from the pieces in which services send them."""

from typing import Any

import pytest

from core.model.parts import Part, ToolArguments, ToolCallBegun, whole_tool_calls
from core.providers.http.failures import Unreadable
from core.providers.openai.tool_calls import MAX_TOOL_CALL_CHARS, MAX_TOOL_CALLS, ToolCalls

A, B = ("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')


def piece(index: Any = None, call_id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def put_together(*pieces: Any) -> list[tuple[str, str, str]]:
    calls, parts = ToolCalls(), list[Part]()
    for each in pieces:
        calls.add([each], parts)
    return [(call.id, call.name, call.arguments) for call in whole_tool_calls(parts)]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [piece(0, "a", "f", ""), piece(0, None, None, '{"x"'), piece(0, None, None, ":1}"), piece(1, *B)],
            id="openai",
        ),
        pytest.param([piece(1, *B), piece(0, *A)], id="in another order"),
        pytest.param([piece(1, "b", "g", '{"y"'), piece(0, *A), piece(1, None, None, ":2}")], id="side by side"),
        pytest.param([piece(None, *A), piece(None, *B)], id="no index"),
        pytest.param([piece(0, *A), piece(0, *B)], id="one index for all"),
        pytest.param(
            [piece(None, "a", "f", '{"x"'), piece(None, "a", None, ":1}"), piece(None, *B)], id="no index, in pieces"
        ),
        pytest.param(
            [piece(None, "a", "f", '{"x"'), piece(None, None, None, ":1}"), piece(None, *B)], id="neither index nor id"
        ),
        pytest.param(
            [piece(0, "a", "f", '{"x"'), piece(0, "a", "f", ":1}"), piece(1, *B)], id="id and name in every piece"
        ),
        pytest.param([piece(0, "a", "f", '{"x"'), piece(0, "zz", None, ":1}"), piece(1, *B)], id="a new id in each"),
        pytest.param([piece(0, "a", "f", {"x": 1}), piece(0, "b", "g", {"y": 2})], id="objects"),
        pytest.param([piece(0, "a", "f", {"x": 1}), piece(0, "a", "f", {"x": 1}), piece(1, *B)], id="an object twice"),
        pytest.param([piece("0", *A), piece("0", *B)], id="an index that is a text"),
        pytest.param([piece(0.0, "a", "f", '{"x"'), piece(0, None, None, ":1}"), piece(1.0, *B)], id="fractions"),
        pytest.param([piece(-1, *A), piece(0, *B)], id="negative"),
        pytest.param([{"id": "a", "name": "f", "arguments": '{"x":1}'}, piece(None, *B)], id="flat"),
        pytest.param([piece(0, *A), None, 7, {}, {"function": None}, piece(1, *B)], id="with what is none"),
    ],
)
def test_the_ways_in_which_two_calls_come(pieces: list[Any]) -> None:
    got = put_together(*pieces)
    assert sorted((call_id, name, arguments.replace(" ", "")) for call_id, name, arguments in got) == [A, B]


def test_a_call_is_told_as_it_grows() -> None:
    calls, parts = ToolCalls(), list[Part]()
    calls.add([piece(0, None, None, '{"x')], parts)
    assert parts == []  # as long as nobody knows what is called
    calls.add([piece(0, "a", "f", None)], parts)
    calls.add([piece(1, *B), piece(0, None, None, '":1}')], parts)
    assert parts == [
        ToolCallBegun("a", "f"),
        ToolArguments('{"x', 0),
        ToolCallBegun("b", "g"),
        ToolArguments('{"y":2}', 1),
        ToolArguments('":1}', 0),
    ]


def test_calls_that_nothing_but_their_names_tells_apart() -> None:
    first, second = put_together(piece(0, None, "f", '{"x":1}'), piece(0, None, "f", '{"x":2}'))
    assert (first[1:], second[1:]) == (("f", '{"x":1}'), ("f", '{"x":2}'))
    assert first[0] != second[0]
    assert first[0].startswith("call_")


@pytest.mark.parametrize(("index", "name"), [(None, None), (0, "f")])
def test_an_id_that_comes_after_the_name_makes_no_other_call(index: int | None, name: str | None) -> None:
    ((_, called, arguments),) = put_together(piece(index, None, "f"), piece(index, "c1", name, '{"a":1}'))
    assert (called, arguments) == ("f", '{"a":1}')


def test_a_call_without_arguments() -> None:
    assert put_together(piece(0, "a", "f")) == [("a", "f", "")]


def test_a_call_without_a_name_is_none() -> None:
    assert put_together(piece(0, "a", None, "{}")) == []


def test_tool_calls_that_never_end_do_not_fill_the_memory() -> None:
    calls = ToolCalls()
    calls.add([piece(0, "i", "f", "x" * (MAX_TOOL_CALL_CHARS - 10))], [])
    with pytest.raises(Unreadable):
        calls.add([piece(0, None, None, "x" * 10)], [])
    many = ToolCalls()
    many.add([piece(index, "i", "f") for index in range(MAX_TOOL_CALLS)], [])
    with pytest.raises(Unreadable):
        many.add([piece(MAX_TOOL_CALLS, "i", "f")], [])
