"""Tokens per second of several sessions that run together, and milliseconds per token of one."""

from collections.abc import Sequence
from statistics import median


def rate_of(times: Sequence[Sequence[float]]) -> float:
    """Tokens per second of all sessions together, while all of them answered. `times`: when each token of each session
    came, in order. Raises ValueError if they did not run together."""
    start, end = max(each[0] for each in times), min(each[-1] for each in times)
    if end <= start:
        raise ValueError("the sessions did not answer at one time")
    return sum(start < time <= end for each in times for time in each) / (end - start)


def tenths_ms(seconds: Sequence[float]) -> tuple[float, float]:
    """Medians of the first and the last tenth of what tokens took."""
    tenth = len(seconds) // 10
    return 1_000 * median(seconds[:tenth]), 1_000 * median(seconds[-tenth:])
