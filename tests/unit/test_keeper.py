"""The keeper's list of runs: a turn that comes back to the process that lost it has one run all the same, and all of
them know that the process stops."""

from pathlib import Path
from typing import cast

from core.model.keys import TurnKey
from core.store.store import Store
from core.turns.keeper import Keeper
from core.turns.run import Run, Stop


class FakeTurn:
    key = TurnKey("s", 1)


class FakeRun:
    turn = FakeTurn()

    def __init__(self) -> None:
        self.stopped: Stop | None = None
        self.is_retiring = False

    def retire(self) -> None:
        self.is_retiring = True

    def stop(self, reason: Stop) -> None:
        self.stopped = reason


def test_a_turn_that_is_claimed_anew_ends_its_run_before(tmp_path: Path) -> None:
    keeper = Keeper(Store(f"sqlite:///{tmp_path}/test.db"), "worker-here-1-a", "worker")
    first, second = FakeRun(), FakeRun()
    keeper.add(cast(Run, first))
    keeper.add(cast(Run, second))
    assert (first.stopped, second.stopped) == (Stop.LOST, None)
    keeper.remove(cast(Run, first))
    assert list(keeper.runs.values()) == [cast(Run, second)]
    keeper.remove(cast(Run, second))
    assert keeper.runs == {}


def test_all_runs_know_that_the_process_stops(tmp_path: Path) -> None:
    keeper = Keeper(Store(f"sqlite:///{tmp_path}/test.db"), "worker-here-1-a", "worker")
    before, after = FakeRun(), FakeRun()
    keeper.add(cast(Run, before))
    keeper.retire()
    keeper.add(cast(Run, after))
    assert (before.is_retiring, after.is_retiring) == (True, True)
