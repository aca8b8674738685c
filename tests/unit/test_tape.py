"""The tape: whatever way parts were batched, a position names one place."""

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.parts import (
    Growing,
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
    Unknown,
    cut,
    merge,
    recut,
    whole_tool_calls,
)
from core.model.tape import BadTape, Tape

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
parts: st.SearchStrategy[Part] = st.one_of(
    words.map(Text),
    words.map(Reasoning),
    words.map(Refusal),
    st.builds(ToolCall, id=words, name=words, arguments=words),
    st.builds(ToolCallBegun, id=words, name=words),
    st.builds(ToolArguments, text=words, call=st.integers(0, 2)),
    st.builds(ToolResult, call_id=words, content=words, is_error=st.booleans()),
    st.builds(StepBegun, number=st.integers(1, 9)),
    st.builds(StepEnded, number=st.integers(1, 9)),
    st.builds(lambda text: Unknown(["+later", text, 1]), words),
    st.builds(lambda value: Unknown(["later", value]), st.integers(0, 9)),
)
tapes = st.lists(parts, max_size=12).map(Tape)


@given(tapes, st.data())
def test_slices_put_together_are_the_whole(tape: Tape, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(tape)), max_size=5)))
    bounds = [0, *cuts, len(tape)]
    pieces = [tape.slice(start, end) for start, end in pairwise(bounds)]
    assert merge([part for piece in pieces for part in piece]) == tape.slice()


@given(tapes, st.data())
def test_a_slice_is_as_long_as_its_positions_say(tape: Tape, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(tape)))
    end = data.draw(st.integers(start, len(tape) + 3))
    assert sum(map(len, tape.slice(start, end))) == min(end, len(tape)) - start


@given(tapes)
def test_the_encoding_round_trips(tape: Tape) -> None:
    assert Tape.decode(tape.encode()) == tape


@given(st.lists(parts, max_size=12), st.data())
def test_batching_makes_no_difference(whole: list[Part], data: st.DataObject) -> None:
    """However the parts are cut on their way, the tape and its positions are the same."""
    pieces: list[Part] = []
    for part in whole:
        at = data.draw(st.integers(0, len(part))) if isinstance(part, Growing) else 0
        pieces += [cut(part, 0, at), cut(part, at, len(part))] if 0 < at < len(part) else [part]
    assert Tape(pieces) == Tape(whole)
    assert len(Tape(pieces)) == len(Tape(whole))
    assert Tape(pieces).encode() == Tape(whole).encode()


@given(tapes)
def test_neighbours_of_one_kind_are_merged(tape: Tape) -> None:
    for part, after in pairwise(tape.slice()):
        same_call = not isinstance(part, ToolArguments) or part.call == getattr(after, "call", None)
        assert not (isinstance(part, Growing) and type(part) is type(after) and same_call)
    assert Text("") not in tape.slice()


@given(st.lists(parts, max_size=12))
def test_text_and_reasoning_are_kept_apart(whole: list[Part]) -> None:
    tape = Tape(whole)
    assert tape.text() == "".join(part.text for part in whole if isinstance(part, Text))
    assert tape.reasoning() == "".join(part.text for part in whole if isinstance(part, Reasoning))


def test_positions_count_characters_and_calls() -> None:
    tape = Tape([Text("a👩‍🚀"), ToolCall("1", "now", "{}"), Text("b")])
    assert len(tape) == 4 + 1 + 1
    assert tape.slice(4) == [ToolCall("1", "now", "{}"), Text("b")]
    assert tape.slice(2, 5) == [Text("\u200d🚀"), ToolCall("1", "now", "{}")]
    assert tape.slice(6) == tape.slice(99) == tape.slice(3, 2) == []


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91\x92\xa1t\x07", b"\x01", b"\x91\x92\xa1t\x01"])
def test_what_is_no_tape_is_refused(data: bytes) -> None:
    with pytest.raises(BadTape):
        Tape.decode(data)


@given(tapes)
def test_the_parts_are_stored_as_they_came(tape: Tape) -> None:
    """Merged for whoever reads the answer, and each by itself for whoever plays it again."""
    again = Tape.decode(tape.encode(), tape.encode_ends())
    assert again.pieces() == tape.pieces()
    assert again.sizes() == tape.sizes()


@given(tapes, st.lists(st.integers(-2, 9), max_size=12))
def test_sizes_that_do_not_fit_lose_nothing(tape: Tape, sizes: list[int]) -> None:
    assert Tape(recut(tape.slice(), sizes)) == tape


def test_ends_take_a_few_bits_each() -> None:
    tape = Tape([Text("token "[: 3 + number % 4]) for number in range(1000)])
    assert len(tape.encode_ends()) < 1000


@pytest.mark.parametrize("ends", [b"", b"no zlib", zlib.compress(b"\xc1"), zlib.compress(b"\x91\xa1x")])
def test_ends_that_cannot_be_read_are_refused(ends: bytes) -> None:
    with pytest.raises(BadTape):
        Tape.decode(Tape([Text("a")]).encode(), ends)


def test_tool_calls_in_pieces_are_put_together() -> None:
    parts: list[Part] = [
        ToolCall("0", "whole", "[]"),
        ToolCallBegun("1", "now"),
        ToolArguments('{"in"', 0),
        ToolCallBegun("2", "later"),
        ToolArguments("{", 1),
        ToolArguments(': "UTC"}', 0),
        ToolArguments("}", 1),
        ToolArguments("of a call that never began", 2),
    ]
    calls = [ToolCall("0", "whole", "[]"), ToolCall("1", "now", '{"in": "UTC"}'), ToolCall("2", "later", "{}")]
    assert whole_tool_calls(parts) == calls
