"""Progress: one id for how far a watcher has come in all its streams."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.streams.cursor import Cursor
from api.watchers import progress
from api.watchers.progress import MOST_CHARS, MOST_ENDED, MOST_OPEN, Progress, Resumption
from core.model.errors import InvalidEventId
from core.model.keys import TurnKey
from core.store.turns.watched import LATE_SECONDS, WatchedTurn
from tests.unit.watchers.test_subscriptions import TURN

keys = st.builds(TurnKey, st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), st.integers(1, 999))
spots = st.tuples(st.integers(0, 99), st.integers(0, 400_000))


def turn_of(key: TurnKey, created_at: float = 0.0) -> WatchedTurn:
    return msgspec.structs.replace(TURN, key=key, created_at=created_at)


@given(st.dictionaries(keys, spots), st.sets(keys), st.integers(0, 2_000_000_000))
def test_an_id_brings_everything_back(is_open: dict[TurnKey, tuple[int, int]], ended: set[TurnKey], to: int) -> None:
    here = Progress()
    for key, spot in is_open.items():
        here.move(key, Cursor(key.turn, *spot))
    for key in ended:
        here.end(key)
    here.complete_to(to)
    there = Resumption.parse(here.id.decode())
    assert there.since == to - LATE_SECONDS
    assert Progress(there).id == here.id
    for key, spot in is_open.items():
        assert there.has_told_end(turn_of(key)) == (key in ended)
        assert there.take(turn_of(key)) == (None if key in ended else Cursor(key.turn, *spot))
        assert there.take(turn_of(key)) is None
    assert not there.has_told_end(turn_of(TurnKey("another one, surely", 1)))


def test_a_session_that_was_made_anew_is_another_one() -> None:
    here, key = Progress(), TurnKey("s", 1)
    here.move(key, Cursor(1, 1, 5))
    here.end(TurnKey("t", 1))
    here.complete_to(1000.0)
    there = Resumption.parse(here.id.decode())
    assert there.take(turn_of(key, 1000.0 + LATE_SECONDS + 1)) is None
    assert not there.has_told_end(turn_of(TurnKey("t", 1), 1000.0 + LATE_SECONDS + 1))
    assert there.take(turn_of(key, 999.0)) == Cursor(1, 1, 5)


def test_an_end_is_forgotten_once_the_time_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    here, key = Progress(), TurnKey("s", 1)
    here.end(key)
    here.complete_to(5000.0)
    assert Resumption.parse(here.id.decode()).has_told_end(turn_of(key))
    now += 2 * LATE_SECONDS + 1
    here.complete_to(5009.0)
    assert not Resumption.parse(here.id.decode()).has_told_end(turn_of(key))


def test_streams_that_are_gone_are_not_carried_on() -> None:
    here = Progress()
    for name in ("s", "t"):
        here.move(TurnKey(name, 1), Cursor(1, 1, 5))
    here.keep_only([TurnKey("t", 1)])
    there = Resumption.parse(here.id.decode())
    assert (there.names(turn_of(TurnKey("s", 1))), there.names(turn_of(TurnKey("t", 1)))) == (False, True)


def test_an_id_fits_into_a_header() -> None:
    here = Progress()
    for number in range(3 * MOST_OPEN):
        here.end(TurnKey(f"ended-{number}", 1))
        here.move(TurnKey(f"open-{number}", 1), Cursor(1, 99, 400_000))
    here.complete_to(2_000_000_000)
    assert len(here.id) < MOST_CHARS
    there = Resumption.parse(here.id.decode())
    assert (len(there.open), len(there.ended)) == (MOST_OPEN, MOST_ENDED)
    assert there.names(turn_of(TurnKey(f"open-{3 * MOST_OPEN - 1}", 1)))
    assert there.has_told_end(turn_of(TurnKey(f"ended-{3 * MOST_OPEN - 1}", 1)))


@pytest.mark.parametrize(
    "text", ["", "1.1.42", "~", "x~~", "1~a~", "1~abcdefgh1~", "1~abcdefgh1.-2~", "1~~~", "1~~\n", "9" * 9000]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidEventId):
        Resumption.parse(text)
