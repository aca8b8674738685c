"""The books: what was accepted, and what became of every token of it. Nothing is believed that was not read."""

from collections import Counter, defaultdict
from typing import Any

from bench.stats import quantile
from bench.tokens import Ledger

ALLOWED_FAILURES = frozenset({"attempts_exhausted"})
"""A turn whose worker died three times is given up (design: "job kills every worker"). Nothing else may fail."""


class Books:
    def __init__(self) -> None:
        self.accepted = 0
        self.running = 0
        self.completed = 0
        self.cancelled = 0
        self.failed: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        """Turns that were never accepted, by HTTP status; 0: nobody answered."""
        self.viewers = 0
        self.tokens = 0
        self.lost = 0
        self.doubled = 0
        self.disordered = 0
        self.hung = 0
        self.restarts: Counter[str] = Counter()
        self.reconnects = 0
        self.surprises: Counter[str] = Counter()
        """Answers that the contract does not know."""
        self.recovery: defaultdict[str, list[float]] = defaultdict(list)
        """Seconds, by fault; one entry for each stream that it silenced for more than a moment."""

    def book(self, ledger: Ledger, sent: int) -> None:
        """A viewer has read a whole answer of `sent` tokens."""
        self.viewers += 1
        self.tokens += ledger.received
        self.lost += ledger.lost(sent)
        self.doubled += ledger.doubled
        self.disordered += ledger.disordered

    @property
    def violations(self) -> list[str]:
        counted = {"lost": self.lost, "doubled": self.doubled, "out of order": self.disordered, "hung": self.hung}
        found = [f"{count} {name}" for name, count in counted.items() if count]
        ended = self.completed + self.cancelled + self.failed.total()
        if self.accepted != ended + self.hung:
            found.append(f"{self.accepted} turns accepted, but {ended} ended")
        found += [f"{count} failed with {code}" for code, count in self.failed.items() if code not in ALLOWED_FAILURES]
        return found + [f"{count} times {surprise}" for surprise, count in self.surprises.items()]

    def as_json(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "completed": self.completed,
            "cancelled": self.cancelled,
            "failed": dict(self.failed),
            "refused": dict(self.refused),
            "viewers": self.viewers,
            "tokens": self.tokens,
            "lost": self.lost,
            "doubled": self.doubled,
            "out_of_order": self.disordered,
            "hung": self.hung,
            "restarts": dict(self.restarts),
            "reconnects": self.reconnects,
            "surprises": dict(self.surprises),
            "recovery_seconds": {name: summary(times) for name, times in sorted(self.recovery.items())},
            "violations": self.violations,
        }


def summary(times: list[float]) -> dict[str, float]:
    return {
        "streams": len(times),
        "p50": round(quantile(times, 0.5), 2),
        "p99": round(quantile(times, 0.99), 2),
        "max": round(max(times), 2),
    }
