"""Places: one id for how far a watcher has come in all its streams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.streams.cursor import Cursor
from api.watchers import places
from api.watchers.places import MOST, MOST_CHARS, Places, Resumption
from core.model.errors import InvalidEventId
from core.model.keys import TurnKey
from core.store.turns.watched import LATE_SECONDS

keys = st.builds(TurnKey, st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), st.integers(1, 999))
spots = st.tuples(st.integers(0, 99), st.integers(0, 400_000))


@given(st.dictionaries(keys, spots), st.sets(keys), st.integers(0, 2_000_000_000))
def test_an_id_brings_everything_back(open_: dict[TurnKey, tuple[int, int]], ended: set[TurnKey], until: int) -> None:
    here = Places()
    for key, spot in open_.items():
        here.move(key, Cursor(key.turn, *spot))
    for key in ended:
        here.end(key)
    here.told_to(until)
    there = Resumption.parse(here.id.decode())
    assert there.since == until - LATE_SECONDS
    for key, spot in open_.items():
        assert there.cursor(key) == (None if key in ended else Cursor(key.turn, *spot))
        assert there.has_told_end(key) == (key in ended)
    assert not there.has_told_end(TurnKey("another one, surely", 1))


def test_an_end_is_forgotten_once_the_time_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(places, "monotonic", lambda: now)
    here, key = Places(), TurnKey("s", 1)
    here.end(key)
    here.told_to(5000.0)
    assert Resumption.parse(here.id.decode()).has_told_end(key)
    now += 2 * LATE_SECONDS + 1
    here.told_to(5009.0)
    assert not Resumption.parse(here.id.decode()).has_told_end(key)


def test_an_id_fits_into_a_header() -> None:
    here = Places()
    for number in range(3 * MOST):
        here.move(TurnKey(f"s{number}", 1), Cursor(1, 1, number))
    assert len(here.id) < MOST_CHARS
    there = Resumption.parse(here.id.decode())
    assert there.cursor(TurnKey(f"s{3 * MOST - 1}", 1)) == Cursor(1, 1, 3 * MOST - 1)
    assert there.cursor(TurnKey("s0", 1)) is None


@pytest.mark.parametrize(
    "text", ["", "1.1.42", "~", "x~~", "1~a~", "1~abcdefgh1~", "1~abcdefgh1.-2~", "1~~~", "1~~\n", "9" * 9000]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidEventId):
        Resumption.parse(text)
