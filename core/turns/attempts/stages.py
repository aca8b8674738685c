"""When an attempt came how far."""

from time import monotonic


class Stages:
    """Of one attempt. Times are in seconds after its turn was claimed; None where it did not come to that."""

    def __init__(self, claimed_at: float) -> None:
        """`claimed_at`: by this process's monotonic clock."""
        self.asked_after: float | None = None
        self.first_token_after: float | None = None
        self.is_reasoning = False
        self._claimed_at = claimed_at
        self._reasons_since = 0.0
        self._reasoned = 0.0

    @property
    def reasoning_seconds(self) -> float | None:
        """How long the model has thought, before its answer and amid it."""
        return (self._reasoned + (monotonic() - self._reasons_since if self.is_reasoning else 0.0)) or None

    @property
    def seconds(self) -> float:
        """Until now."""
        return monotonic() - self._claimed_at

    def asked(self) -> None:
        """The first time counts: a turn with tools asks several times."""
        if self.asked_after is None:
            self.asked_after = monotonic() - self._claimed_at

    def begun(self) -> None:
        if self.first_token_after is None:
            self.first_token_after = monotonic() - self._claimed_at

    def reasons(self, is_reasoning: bool) -> None:
        """Each time that this changes."""
        now = monotonic()
        if self.is_reasoning:
            self._reasoned += now - self._reasons_since
        self.is_reasoning, self._reasons_since = is_reasoning, now
