"""Whether one rule is met: counts the lines that it is about."""

from collections import deque
from collections.abc import Iterable

from logs.alerts.rules import Rule
from logs.stream.line import StreamLine
from logs.stream.notices import lines_in_words


class Watch:
    """Times are seconds since 1970, of the lines' ids: by the clock of Redis."""

    def __init__(self, rule: Rule, begun: float, *, fires: bool = False) -> None:
        """`begun`: since when lines are looked at; silence counts from then on. `fires`: it did so before already, by
        lines, or their absence, that may not be seen again."""
        self.rule = rule
        self._matcher = rule.matcher()
        self._times: deque[float] = deque(maxlen=rule.count or 1)
        """Of the newest lines that match."""
        self._begun = begun
        self._fired = fires

    def look(self, lines: Iterable[StreamLine]) -> None:
        self._times.extend(line.id.ms / 1000 for line in lines if self._matcher.takes(line))

    def is_met(self, now: float) -> bool:
        if self.rule.silent_seconds is not None:
            if self._times:
                return now - self._times[-1] >= self.rule.silent_seconds
            return self._fired or now - self._begun >= self.rule.silent_seconds
        if self._fired and now - self._begun < self.rule.within_seconds:
            return True
        return len(self._times) == self.rule.count and self._times[0] > now - self.rule.within_seconds

    def says(self) -> str:
        rule = self.rule
        of = f" of {', '.join(rule.service)}" if rule.service else ""
        if rule.silent_seconds is not None:
            return f"no line{of} for {rule.silent_seconds:g} s"
        return f"{lines_in_words(rule.count or 0)}{of} within {rule.within_seconds:g} s"
