"""A circuit breaker: a service that fails again and again is not asked for a while, so that a dead one does not cost
every turn its time limit. Each process has its own."""

from enum import StrEnum
from time import monotonic

import structlog

from core.model.errors import EmptyAnswer, ProviderError

log = structlog.get_logger()

FAILURES_TO_OPEN = 3
"""So many in a row open it. Two are what a turn makes of a single bad moment."""
OPEN_SECONDS = 10.0
"""Until one request finds out whether it is well again."""
LASTING_SECONDS = 60.0
"""The same, where a key, a model or an address is wrong: somebody has to mend that."""
MAX_RETRY_AFTER = 600.0
"""Of what a service may say itself, so that a slip there does not shut it out for a day."""


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """One request is on its way to find out."""


class Circuit:
    """Of one model of one service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._failures = 0
        self._open_until: float | None = None
        """By the monotonic clock; None while it is closed."""
        self._probe_until = float("-inf")
        """So long a request that finds out is waited for: it may have been cancelled."""

    @property
    def state(self) -> CircuitState:
        if self._open_until is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if monotonic() < self._probe_until else CircuitState.OPEN

    def admits(self) -> bool:
        """Whether the service may be asked now. Once it was open for its time: only one at a time."""
        now = monotonic()
        if self._open_until is None:
            return True
        if now < self._open_until or now < self._probe_until:
            return False
        self._probe_until = now + OPEN_SECONDS
        return True

    def answers(self) -> None:
        """It has sent a first token."""
        if self._open_until is not None:
            log.info("circuit closed", action="circuit.closed", model=self.name)
            self._failures, self._open_until, self._probe_until = 0, None, float("-inf")

    def succeeded(self) -> None:
        """An answer came to its end."""
        self.answers()
        self._failures = 0

    def failed(self, error: ProviderError) -> None:
        """An error that is the request's own says nothing of the service, nor does an answer without a word."""
        if error.is_of_request or isinstance(error, EmptyAnswer):
            return
        self._failures += 1
        seconds = _seconds(error, self._failures, is_probe=self._open_until is not None)
        if seconds is not None:
            self._open_until, self._probe_until = monotonic() + seconds, float("-inf")
            log.warning(
                "circuit open", action="circuit.open", model=self.name, seconds=round(seconds), reason=error.message
            )


def _seconds(error: ProviderError, failures: int, *, is_probe: bool) -> float | None:
    """How long it stays open; None where it stays closed."""
    if error.retry_after is not None:
        return min(error.retry_after, MAX_RETRY_AFTER)
    if not error.transient:
        return LASTING_SECONDS
    return OPEN_SECONDS if is_probe or error.is_rate_limit or failures >= FAILURES_TO_OPEN else None
