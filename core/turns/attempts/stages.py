"""When an attempt came how far."""

from collections.abc import Sequence
from time import monotonic

from core.model.parts import Part, Reasoning


class Stages:
    """Of one attempt. Times are in seconds after its turn was claimed; None where it did not come to that."""

    def __init__(self, claimed_at: float) -> None:
        """`claimed_at`: by this process's monotonic clock."""
        self.asked_after: float | None = None
        self.first_token_after: float | None = None
        self._claimed_at = claimed_at
        self._reasons_since: float | None = None
        self._reasoned = 0.0

    @property
    def reasoning_seconds(self) -> float | None:
        """How long the model has thought, before its answer and amid it."""
        since = self._reasons_since
        return (self._reasoned + (monotonic() - since if since is not None else 0.0)) or None

    def asked(self) -> None:
        self.asked_after = monotonic() - self._claimed_at

    def begun(self) -> None:
        self.first_token_after = monotonic() - self._claimed_at

    def saw(self, parts: Sequence[Part]) -> None:
        """Parts that have come together count as what the last of them is."""
        if not parts or isinstance(parts[-1], Reasoning) is (self._reasons_since is not None):
            return
        now = monotonic()
        if self._reasons_since is None:
            self._reasons_since = now
        else:
            self._reasoned += now - self._reasons_since
            self._reasons_since = None
