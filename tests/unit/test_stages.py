"""When an attempt came how far, by a clock of the test's own."""

import pytest

from core.turns.attempts import stages
from core.turns.attempts.stages import Stages


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is taken from it is the time, one reading after the other."""
    times: list[float] = []
    monkeypatch.setattr(stages, "monotonic", lambda: times.pop(0))
    return times


def test_times_count_from_the_claim(clock: list[float]) -> None:
    attempt = Stages(claimed_at=10)
    assert (attempt.asked_after, attempt.first_token_after) == (None, None)
    clock += [11, 14]
    attempt.asked()
    attempt.begun()
    assert (attempt.asked_after, attempt.first_token_after) == (1, 4)


def test_thoughts_are_timed_before_the_answer_and_amid_it(clock: list[float]) -> None:
    attempt = Stages(claimed_at=0)
    clock += [10, 13, 20, 24]
    for is_reasoning in (True, False, True, False):
        attempt.reasons(is_reasoning)
    assert attempt.reasoning_seconds == 3 + 4


def test_thoughts_that_end_the_answer_are_timed_until_they_are_asked_for(clock: list[float]) -> None:
    attempt = Stages(claimed_at=0)
    clock += [10, 15]
    attempt.reasons(True)
    assert attempt.reasoning_seconds == 5


def test_an_answer_without_thoughts_tells_none() -> None:
    assert Stages(claimed_at=0).reasoning_seconds is None
