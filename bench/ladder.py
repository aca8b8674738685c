"""The ladder: every contender with more and more sessions, until it does not hold them. They take turns on every rung,
so that what else the machine does hits all alike."""

import sys
from collections.abc import Sequence

from bench.contenders import Contender
from bench.figures import Figures, Ladders
from bench.rung import Load, Rung

RATE = 50
TURNS, TOKENS = 2, 250
FEW = 10
FEW_TURNS, FEW_TOKENS = 10, 50
"""With less than ten sessions: short answers and many of them, for there is one time to first token in each."""
WARM_UP = Load(sessions=2, turns=2, tokens=10, rate=RATE)
GIVE_UP_AFTER = 2
"""Rungs in a row that a contender does not hold, after which it is spared the ones above."""


def load_of(sessions: int, tokens: int = TOKENS) -> Load:
    if sessions < FEW:
        return Load(sessions, FEW_TURNS, min(tokens, FEW_TOKENS), RATE)
    return Load(sessions, TURNS, tokens, RATE)


def in_words(runs: int, tokens: int) -> str:
    return (
        f"{RATE} tokens per second and session; {TURNS} answers of {tokens} tokens each, "
        f"with fewer than {FEW} sessions {FEW_TURNS} of {FEW_TOKENS}; medians of {runs} interleaved runs"
    )


async def climb(
    contenders: Sequence[Contender], loads: Sequence[Load], runs: int, pids: dict[str, int]
) -> list[Ladders]:
    """`pids`: of all the processes whose use is looked at, by name."""
    for contender in contenders:
        await Rung(contender, WARM_UP, pids).run()
    return [await _run(number, contenders, loads, pids) for number in range(1, runs + 1)]


async def _run(number: int, contenders: Sequence[Contender], loads: Sequence[Load], pids: dict[str, int]) -> Ladders:
    ladders: Ladders = {contender.mode: {} for contender in contenders}
    for load in loads:
        for contender in contenders:
            ladder = ladders[contender.mode]
            if not _has_given_up(ladder):
                figures = ladder[load.sessions] = await Rung(contender, load, pids).run()
                tell(f"run {number}, {load.sessions} sessions, {contender.mode}", contender, figures)
    return ladders


def _has_given_up(ladder: dict[int, Figures]) -> bool:
    last = list(ladder.values())[-GIVE_UP_AFTER:]
    return len(last) == GIVE_UP_AFTER and not any(figures.is_held for figures in last)


def tell(what: str, contender: Contender, figures: Figures) -> None:
    """What was just measured, to whoever waits."""
    verdict = "held" if figures.is_held else "not held"
    cpu = figures.cpu_of(contender.processes)
    delays = f"delay p50 {figures.delay_p50:.1f} p99 {figures.delay_p99:.1f} ms"
    print(f"{what}: {verdict}, {delays}, CPU {cpu:.0f} µs a token", file=sys.stderr, flush=True)
