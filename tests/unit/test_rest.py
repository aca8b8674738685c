"""Where an answer goes on with what there was."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.parts import Opaque, Part, Reasoning, Refusal, Text, ToolArguments, ToolCallBegun
from core.model.tape import Tape
from core.turns.attempts.rest import Seam, keepable

BEFORE = "Once upon a time there was a queue that lost nothing. "
WORDS = st.text(alphabet="ab \n", max_size=40)


def joined(before: str, *new: str) -> str:
    seam = Seam(before)
    parts: list[Part] = [part for text in new for part in seam.pass_on([Text(text)])]
    return before + Tape([*parts, *seam.finish()]).text()


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("It grew.", "It grew."),
        (" It grew.", "It grew."),  # the space before was trimmed by the service
        ("a queue that lost nothing. It grew.", "It grew."),
        (BEFORE + "It grew.", "It grew."),
        (BEFORE, ""),
        ("nothing. It grew.", "nothing. It grew."),  # too short to be sure
        ("Once upon another time", "Once upon another time"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_is_said_again_is_taken_out(new: str, expected: str, size: int) -> None:
    pieces = [new[at : at + size] for at in range(0, len(new), size)]
    assert joined(BEFORE, *pieces) == BEFORE + expected


@given(before=WORDS, rest=WORDS, cuts=st.lists(st.integers(0, 40), max_size=5))
def test_a_rest_that_repeats_nothing_is_kept_to_the_letter(before: str, rest: str, cuts: list[int]) -> None:
    """A service that goes on where it was asked to, white space trimmed: the answer is what it would have been."""
    whole = f"begin {before}X{rest}"
    begun = f"begin {before}"
    said = whole[len(Seam(begun).prefix) :]
    at = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
    assert joined(begun, *(said[a:b] for a, b in pairwise(at))) == whole


def test_other_parts_pass_as_they_are() -> None:
    seam = Seam(BEFORE)
    thought = Reasoning("on")
    assert seam.pass_on([thought, Text("It")]) == [thought, Text("It")]


def test_no_call_overtakes_the_text_before_it() -> None:
    seam = Seam(BEFORE)
    call = ToolCallBegun("i", "n")
    assert seam.pass_on([Text("a queue"), call]) == [Text("a queue"), call]


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([], 0),
        ([Reasoning("abc")], 0),
        ([Text("abc")], 3),
        ([Reasoning("ab"), Opaque("s", "x"), Text("abc")], 6),
        ([Text("abc"), Reasoning("de")], 3),
        ([Text("abc"), ToolCallBegun("i", "n"), ToolArguments("{", 0)], 3),
        ([Text("abc"), ToolCallBegun("i", "n"), ToolArguments("{}", 0), Text("de")], 3),
        ([Refusal("no"), Text("abc")], 0),
    ],
)
def test_what_can_be_gone_on_with(parts: list[Part], kept: int) -> None:
    assert keepable(Tape(parts)) == kept
