"""What Hopstream's figures have to reach, on two cores that hold everything: driver, model, broker, API and worker."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.figures import FAULTS
from bench.results import Results
from bench.stats import median
from bench.watching import AFTERWARDS, PAGE

OURS = ("direct", "queue")


class Target(NamedTuple):
    what: str
    value: Callable[[Results], float]
    limit: float
    is_least: bool = False
    """Whether the limit is the least that is good, rather than the most."""

    def is_missed(self, results: Results) -> bool:
        """What was not measured is missed, too."""
        value = self.value(results)
        return not (value >= self.limit if self.is_least else value <= self.limit)


def _delay(mode: str, sessions: int, figure: str) -> Callable[[Results], float]:
    def value(results: Results) -> float:
        figures = results.figures(mode, sessions)
        return math.nan if figures is None else float(getattr(figures, figure))

    return value


def _held(results: Results) -> float:
    return median(results.held("queue"))


def _held_ratio(results: Results) -> float:
    if not {"queue", "litellm"} <= set(results.modes):
        return math.nan
    pairs = zip(results.held("queue"), results.held("litellm"), strict=False)
    return median([ours / theirs if theirs else math.inf for ours, theirs in pairs])


def _cpu_ratio(results: Results) -> float:
    """LiteLLM does not hold a hundred sessions: the figure of the rung where a token cost it least."""
    theirs = min((results.cpu("litellm", sessions) for sessions in results.of("litellm")), default=math.nan)
    return results.cpu("direct", 100) / theirs


def _viewer_us(results: Results) -> float:
    return next((audience.api_us for audience in results.viewers if audience.viewers == 100), math.nan)


def _provider_ratio(results: Results) -> float:
    return max((cost.ratio for cost in results.providers), default=math.nan)


def _watch_ratio(watched_by: str) -> Callable[[Results], float]:
    def ratio(results: Results) -> float:
        return next((cost.ratio for cost in results.watching if cost.watched_by == watched_by), math.nan)

    return ratio


def _crowd_mb(results: Results, kind: str) -> float:
    """The most that all processes of a kind had together."""
    if results.crowd is None:
        return math.nan
    return max(
        sum(mb for name, mb in phase.memory_mb.items() if name.split()[0] == kind) for phase in results.crowd.phases
    )


def _crowd_lost(results: Results) -> float:
    crowd = results.crowd
    return math.nan if crowd is None else crowd.lost + crowd.doubled + crowd.answers - crowd.complete


def _agents_ratio(kind: str) -> Callable[[Results], float]:
    def value(results: Results) -> float:
        return math.nan if results.agents is None else float(getattr(results.agents, kind)[-1].ratio)

    return value


TARGETS = (
    Target("queue: sessions held", _held, 160, is_least=True),
    Target("queue: sessions held, times LiteLLM's", _held_ratio, 7, is_least=True),
    Target("queue: token delay p50 at 40 sessions, ms", _delay("queue", 40, "delay_p50"), 1.5),
    Target("queue: token delay p99 at 40 sessions, ms", _delay("queue", 40, "delay_p99"), 10),
    Target("queue: added to first token at 1 session, ms", lambda r: r.added_first_token("queue", 1), 8),
    Target("queue: CPU per token at 100 sessions, µs", lambda r: r.cpu("queue", 100), 200),
    Target("direct: CPU per token at 100 sessions, µs", lambda r: r.cpu("direct", 100), 60),
    Target("direct: CPU per token at 100 sessions, of LiteLLM's least", _cpu_ratio, 1 / 8),
    Target("100 viewers: CPU of the API per token and viewer, µs", _viewer_us, 25),
    Target("providers: CPU of a worker per token, times OpenAI's at most", _provider_ratio, 1.3),
    Target("watching: CPU per token with a page over 100 streams, times that without", _watch_ratio(PAGE), 1.15),
    Target("watching: the same once it is closed", _watch_ratio(AFTERWARDS), 1.05),
    Target("agents: CPU of a worker per token, times that of POST /chat", _agents_ratio("worker"), 1.1),
    Target("agents: CPU of the API per token and viewer over a WebSocket, times SSE's", _agents_ratio("viewers"), 1.0),
    Target("crowd: tokens and answers lost or doubled", _crowd_lost, 0),
    Target("crowd: memory of the API, MB", lambda r: _crowd_mb(r, "api"), 400),
    Target("crowd: memory of all workers, MB", lambda r: _crowd_mb(r, "worker"), 600),
)


def missed(results: Results, targets: Sequence[Target] = TARGETS) -> list[str]:
    """A line for each target that was missed, and for tokens of Hopstream's that were."""
    lines = [f"{t.what}: {t.value(results):.3g}, target {t.limit:.3g}" for t in targets if t.is_missed(results)]
    for sessions, mode, figures in results.rows():
        if mode in OURS:
            counts = {fault: getattr(figures, fault) for fault in FAULTS}
            lines += [f"{mode}, {sessions} sessions: {count} {fault}" for fault, count in counts.items() if count]
    return lines
