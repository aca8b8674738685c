"""Event ids: `<turn>.<attempt>.<position>`."""

import pytest

from api.streams.cursor import END_OF_LOST, Cursor
from core.model.errors import InvalidEventId
from core.model.parts import Text
from core.model.tape import Tape
from core.store.turns.records import Turn

BAD = [
    "",
    "1",
    "1.1",
    "1.1.1.1",
    "0.1.1",
    "-1.1.1",
    "1.1.-1",
    "1.1.x",
    " 1.1.1",
    "1.1.1\n",
    "1.1.٣",
    "1.1.1e3",
    "01.1.1",
]


@pytest.mark.parametrize("text", ["1.1.0", "1.0.0", "12.3.456", "999999999.999999999.999999999"])
def test_an_id_is_read_as_it_was_written(text: str) -> None:
    assert str(Cursor.parse(text)) == text


@pytest.mark.parametrize("text", [*BAD, "1.1." + "9" * 10, "9" * 5000])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidEventId, match="Last-Event-ID") as raised:
        Cursor.parse(text)
    assert len(raised.value.message) < 200


def ended(tape: Tape, *, by_its_owner: bool) -> Turn:
    return Turn(
        session_id="s",
        turn=1,
        mode="queue",
        status="error",
        attempt=1,
        lost_attempts=0,
        model="m",
        message="hi",
        created_at=0.0,
        cancel_requested=False,
        options={},
        tape=tape.encode(),
        part_ends=tape.encode_ends() if by_its_owner else None,
    )


def test_nothing_lies_beyond_an_end_but_what_its_owner_has_not_stored() -> None:
    tape = Tape([Text("abc")])
    whole, cut_off = (ended(tape, by_its_owner=by_its_owner) for by_its_owner in (True, False))
    assert Cursor(1, 1, 4).is_end_of(whole)
    assert not Cursor(1, 1, 3).is_end_of(whole)
    with pytest.raises(InvalidEventId, match="beyond the end"):
        Cursor(1, 1, 5).is_end_of(whole)
    for position in (1, 3, 4, 5):  # as far as viewers may have seen
        assert not Cursor(1, 1, position).is_end_of(cut_off)
    assert Cursor(1, 1, END_OF_LOST).is_end_of(cut_off)
    with pytest.raises(InvalidEventId, match="beyond the end"):
        Cursor(1, 1, END_OF_LOST).is_end_of(whole)
