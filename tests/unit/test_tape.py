"""The tape: whatever way parts were batched, a position names one place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.tape import BadTape, Part, Reasoning, Tape, Text, ToolCall, cut, merge

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
parts: st.SearchStrategy[Part] = st.one_of(
    words.map(Text), words.map(Reasoning), st.builds(ToolCall, id=words, name=words, arguments=words)
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
        at = data.draw(st.integers(0, len(part))) if isinstance(part, Text | Reasoning) else 0
        pieces += [cut(part, 0, at), cut(part, at, len(part))] if 0 < at < len(part) else [part]
    assert Tape(pieces) == Tape(whole)
    assert len(Tape(pieces)) == len(Tape(whole))
    assert Tape(pieces).encode() == Tape(whole).encode()


@given(tapes)
def test_neighbours_of_one_kind_are_merged(tape: Tape) -> None:
    kinds = [type(part) for part in tape.slice()]
    assert not [kind for kind, after in pairwise(kinds) if kind is after and kind is not ToolCall]
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


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91\x92\xa1x\xa1y", b"\x01", b"\x91\x92\xa1t\x01"])
def test_what_is_no_tape_is_refused(data: bytes) -> None:
    with pytest.raises(BadTape):
        Tape.decode(data)
