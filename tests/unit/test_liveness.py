"""Who is silent, by what this process has seen of all heartbeats and by nobody's clock."""

import pytest

from core.store import liveness as module
from core.store.liveness import LONGEST_GAP_SECONDS, SETTLE_SECONDS, SILENT_SECONDS, Liveness

LOOK_SECONDS = 0.4


class Watching:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.liveness = Liveness()
        monkeypatch.setattr(module, "monotonic", lambda: self.now)

    def look(self, beat: int, seconds: float = LOOK_SECONDS) -> None:
        self.now += seconds
        self.liveness.look(self.now, beat)

    def watch(self, seconds: float, first_beat: int) -> int:
        """While heartbeats come with every look."""
        beat = first_beat
        for beat in range(first_beat, first_beat + round(seconds / LOOK_SECONDS)):
            self.look(beat)
        return beat


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Watching:
    return Watching(monkeypatch)


def test_who_has_not_looked_on_for_so_long_takes_nobody_for_silent(watching: Watching) -> None:
    assert watching.liveness.silent_beat == 0
    watching.watch(SILENT_SECONDS - LOOK_SECONDS, 10)
    assert watching.liveness.silent_beat == 0
    watching.watch(2 * LOOK_SECONDS, 20)
    assert watching.liveness.silent_beat >= 10


def test_silence_is_as_long_as_it_should_be_and_not_much_longer(watching: Watching) -> None:
    seen = {}
    for beat in range(1, 100):
        watching.look(beat)
        seen[beat] = watching.now
        silent = watching.liveness.silent_beat
        if silent:
            assert SILENT_SECONDS <= watching.now - seen[silent] <= SILENT_SECONDS + LOOK_SECONDS + 0.001


def test_after_a_gap_all_get_their_time(watching: Watching) -> None:
    """As when the database was away, or this process was frozen."""
    last = watching.watch(20, 1)
    assert watching.liveness.silent_beat
    watching.now += LONGEST_GAP_SECONDS + 0.1
    assert watching.liveness.silent_beat == 0
    watching.look(last)
    last = watching.watch(SETTLE_SECONDS - LOOK_SECONDS, last)
    assert watching.liveness.silent_beat == 0
    watching.watch(2 * LOOK_SECONDS, last)
    assert watching.liveness.silent_beat > 0


def test_numbers_that_are_given_again_make_nobody_silent(watching: Watching) -> None:
    """Of thirty processes one dies, and all but three stop in order soon after: their numbers are gone with them."""
    beats = {process: process + 1 for process in range(30)}
    dead, last_beat_at, stop_at, found_at = 0, 10.0, 10.5, 0.0
    for tick in range(1, 400):
        seconds = tick / 10
        for process in [*beats]:
            if seconds == stop_at and process > 2:
                del beats[process]
            elif tick % 10 == process % 10 and (process != dead or seconds <= last_beat_at):
                beats[process] = max(beats.values()) + 1
        watching.now += 0.1
        if tick % 4 == 0:
            watching.liveness.look(watching.now, max(beats.values()))
        silent = [process for process, beat in beats.items() if beat <= watching.liveness.silent_beat]
        assert silent in ([], [dead])
        if silent and not found_at:
            found_at = seconds
    assert last_beat_at + SILENT_SECONDS <= found_at <= last_beat_at + SILENT_SECONDS + 1
