"""All that a bench has measured, and what follows from it."""

import math
from collections.abc import Iterator

import msgspec

from bench.agents import AgentCosts
from bench.broker import Capacity
from bench.crowd import Crowd
from bench.figures import Figures, Ladders
from bench.fleet import Fleet
from bench.providers import ProviderCost
from bench.stats import median
from bench.viewers import Audience
from bench.watching import WatchCost


class Results(msgspec.Struct):
    machine: dict[str, str]
    """What it ran on, and the versions of what was measured."""
    load: str = ""
    """What the ladder's sessions asked, in words."""
    processes: dict[str, tuple[str, ...]] = {}
    """Those of each contender on the ladder."""
    runs: list[Ladders] = []
    viewers: list[Audience] = []
    providers: list[ProviderCost] = []
    watching: list[WatchCost] = []
    agents: AgentCosts | None = None
    crowd: Crowd | None = None
    fleets: list[Fleet] = []
    broker: Capacity | None = None

    @property
    def modes(self) -> list[str]:
        return list(self.processes)

    @property
    def rungs(self) -> list[int]:
        return sorted({sessions for ladders in self.runs for ladder in ladders.values() for sessions in ladder})

    def of(self, mode: str) -> list[int]:
        """The rungs on which a contender was measured."""
        return [sessions for sessions in self.rungs if self.figures(mode, sessions) is not None]

    def rows(self) -> Iterator[tuple[int, str, Figures]]:
        """Rung by rung, the figures of each contender that was there."""
        for sessions in self.rungs:
            for mode in self.modes:
                if (figures := self.figures(mode, sessions)) is not None:
                    yield sessions, mode, figures

    def figures(self, mode: str, sessions: int) -> Figures | None:
        """Of all runs together; None where the contender was not measured."""
        runs = [ladders[mode][sessions] for ladders in self.runs if sessions in ladders.get(mode, {})]
        return Figures.of_runs(runs) if runs else None

    def held(self, mode: str) -> list[int]:
        """The most sessions that were held in each run; 0 where not even the lowest rung was."""
        return [
            max((sessions for sessions, figures in ladders.get(mode, {}).items() if figures.is_held), default=0)
            for ladders in self.runs
        ]

    def added_first_token(self, mode: str, sessions: int) -> float:
        """Milliseconds on top of the model's own time to first token: the median of the runs' differences."""
        both = [
            (ladders[mode][sessions], ladders["mock"][sessions])
            for ladders in self.runs
            if sessions in ladders.get(mode, {}) and sessions in ladders.get("mock", {})
        ]
        return median([figures.first_token - model.first_token for figures, model in both])

    def cpu(self, mode: str, sessions: int) -> float:
        """CPU microseconds per token of all its processes."""
        figures = self.figures(mode, sessions)
        return math.nan if figures is None else figures.cpu_of(self.processes[mode])
