"""What was measured on one rung, and what several runs of it make together."""

import math
from collections.abc import Sequence
from typing import Self

import msgspec

from bench.clients import Reading
from bench.stats import median, quantile

HELD_P99_MS = 100.0
STALL_MS = 250.0
FAULTS = ("lost", "doubled", "disordered", "unfinished")


class Figures(msgspec.Struct):
    """One contender on one rung. Times are in milliseconds, NaN where nothing arrived."""

    first_token: float
    delay_p50: float
    delay_p99: float
    delay_max: float
    stalls: int
    """How often a session's tokens began to arrive more than 250 ms late."""
    tokens: int
    lost: int
    doubled: int
    disordered: int
    unfinished: int
    """Answers without their proper end."""
    cpu_us: dict[str, float] = {}
    """CPU microseconds per token that arrived, by process."""
    memory_mb: dict[str, float] = {}
    """Resident memory with all sessions running, by process."""

    @property
    def is_held(self) -> bool:
        """Nothing lost, and 99 of 100 tokens within 100 ms."""
        return not any(getattr(self, fault) for fault in FAULTS) and self.delay_p99 <= HELD_P99_MS

    @classmethod
    def of_readings(cls, readings: Sequence[Reading], tokens: int) -> Self:
        """All answers of one rung together. `tokens`: how many each was to have."""
        delays = sorted(delay / 1e6 for reading in readings for delay in reading.ledger.delays_ns)
        return cls(
            first_token=median([reading.first_token_ms for reading in readings if reading.first_token_ms is not None]),
            delay_p50=quantile(delays, 0.5),
            delay_p99=quantile(delays, 0.99),
            delay_max=quantile(delays, 1),
            stalls=sum(_stalls(reading.ledger.delays_ns) for reading in readings),
            tokens=sum(reading.ledger.received for reading in readings),
            lost=sum(reading.ledger.lost(tokens) for reading in readings),
            doubled=sum(reading.ledger.doubled for reading in readings),
            disordered=sum(reading.ledger.disordered for reading in readings),
            unfinished=sum(not reading.complete for reading in readings),
        )

    @classmethod
    def of_runs(cls, runs: Sequence[Self]) -> Self:
        """Medians of what is measured, but the worst of the maxima; sums of what is counted."""
        return cls(
            first_token=median([figures.first_token for figures in runs]),
            delay_p50=median([figures.delay_p50 for figures in runs]),
            delay_p99=median([figures.delay_p99 for figures in runs]),
            delay_max=max(figures.delay_max for figures in runs),
            stalls=sum(figures.stalls for figures in runs),
            tokens=sum(figures.tokens for figures in runs),
            lost=sum(figures.lost for figures in runs),
            doubled=sum(figures.doubled for figures in runs),
            disordered=sum(figures.disordered for figures in runs),
            unfinished=sum(figures.unfinished for figures in runs),
            cpu_us={name: median([figures.cpu_us[name] for figures in runs]) for name in runs[0].cpu_us},
            memory_mb={name: median([figures.memory_mb[name] for figures in runs]) for name in runs[0].memory_mb},
        )

    def cpu_of(self, processes: Sequence[str]) -> float:
        """CPU microseconds per token of some processes together; NaN where one is not known."""
        return sum(self.cpu_us.get(name, math.nan) for name in processes)


Ladders = dict[str, dict[int, Figures]]
"""One run: by contender and number of sessions. One that does not hold a rung is not measured far above it."""


def _stalls(delays_ns: Sequence[int]) -> int:
    late = [delay > STALL_MS * 1e6 for delay in delays_ns]
    return sum(now and not before for before, now in zip([False, *late], late, strict=False))
