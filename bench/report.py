"""From readings to the figures and the verdict that a person reads."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec

from bench.clients import Reading
from bench.stats import median, quantile


class Figures(msgspec.Struct, frozen=True):
    """One mode. Times are in milliseconds, NaN where nothing arrived."""

    first_token: float
    delay_p50: float
    delay_p99: float
    delay_max: float
    tokens: int
    lost: int
    doubled: int
    disordered: int
    unfinished: int
    """Answers without their proper end."""

    @classmethod
    def of_round(cls, readings: Sequence[Reading], tokens: int) -> Self:
        """All sessions of one round together. `tokens`: how many each answer was to have."""
        delays = [delay / 1e6 for reading in readings for delay in reading.ledger.delays_ns]
        return cls(
            first_token=median([reading.first_token_ms for reading in readings if reading.first_token_ms is not None]),
            delay_p50=quantile(delays, 0.5),
            delay_p99=quantile(delays, 0.99),
            delay_max=quantile(delays, 1),
            tokens=sum(reading.ledger.received for reading in readings),
            lost=sum(reading.ledger.lost(tokens) for reading in readings),
            doubled=sum(reading.ledger.doubled for reading in readings),
            disordered=sum(reading.ledger.disordered for reading in readings),
            unfinished=sum(not reading.complete for reading in readings),
        )

    @classmethod
    def of_all(cls, rounds: Sequence[Self]) -> Self:
        """Medians of the times, but the worst of the maxima; sums of the counts."""
        return cls(
            first_token=median([figures.first_token for figures in rounds]),
            delay_p50=median([figures.delay_p50 for figures in rounds]),
            delay_p99=median([figures.delay_p99 for figures in rounds]),
            delay_max=max(figures.delay_max for figures in rounds),
            tokens=sum(figures.tokens for figures in rounds),
            lost=sum(figures.lost for figures in rounds),
            doubled=sum(figures.doubled for figures in rounds),
            disordered=sum(figures.disordered for figures in rounds),
            unfinished=sum(figures.unfinished for figures in rounds),
        )


TIMES = {
    "first_token": "time to first token",
    "delay_p50": "token delay p50",
    "delay_p99": "token delay p99",
    "delay_max": "token delay max",
}
FAULTS = ("lost", "doubled", "disordered", "unfinished")
ADDED = (("direct", "mock"), ("queue", "mock"), ("queue", "direct"))


class Target(NamedTuple):
    figure: str
    over: str
    """The mode that the queue's figure is compared with."""
    limit_ms: float


TARGETS = (Target("first_token", "direct", 15), Target("delay_p50", "mock", 2), Target("delay_p99", "mock", 10))


def added(measured: dict[str, Figures], figure: str, mode: str, over: str) -> float:
    """What a mode adds to another's time; NaN unless both were measured."""
    if mode not in measured or over not in measured:
        return math.nan
    difference: float = getattr(measured[mode], figure) - getattr(measured[over], figure)
    return difference


def missed_targets(measured: dict[str, Figures]) -> list[str]:
    """A line for each target that was missed. One that was not measured is missed, too."""
    missed = []
    for figure, over, limit_ms in TARGETS:
        more = added(measured, figure, "queue", over)
        if math.isnan(more):
            missed.append(f"queue, {TIMES[figure]} over {over}: not measured")
        elif more > limit_ms:
            missed.append(f"queue, {TIMES[figure]}: {more:.2f} ms over {over}, target {limit_ms:g} ms")
    for mode, figures in measured.items():
        missed += [f"{mode}: {count} {fault}" for fault in FAULTS if (count := getattr(figures, fault))]
    return missed


def table(measured: dict[str, Figures]) -> str:
    """The times of each mode and what it adds to another's, then the counts."""
    pairs = [(mode, over) for mode, over in ADDED if mode in measured and over in measured]
    rows = [["ms", *measured, *(f"{mode} over {over}" for mode, over in pairs)]]
    for figure, name in TIMES.items():
        times = [f"{getattr(figures, figure):.2f}" for figures in measured.values()]
        rows.append([name, *times, *(f"{added(measured, figure, *pair):+.2f}" for pair in pairs)])
    rows += [[name, *(str(getattr(of_mode, name)) for of_mode in measured.values())] for name in ("tokens", *FAULTS)]
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(cells: list[str], widths: list[int]) -> str:
    name, *numbers = [cell.rjust(width) for cell, width in zip(cells, widths, strict=False)]
    return "  ".join([name.strip().ljust(widths[0]), *numbers])
