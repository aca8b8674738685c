"""Liveness: which processes are silent, told without a clock of the database's or of a machine's, which may jump.

Each heartbeat gets the next number of all heartbeats. Who has seen the number N and finds, so many seconds later by its
own monotonic clock, that a process has none beyond N, knows that the process was silent for all that time. A process
that has not looked on for so long yet takes nobody for silent. Numbers may go back, for a process that stops takes its
own along: then the greater ones that were seen say nothing any more.
"""

from collections import deque
from time import monotonic
from typing import NamedTuple

import sqlalchemy as sa

from core.store.schema import db_now, processes

SILENT_SECONDS = 3.5
"""A process not heard of for this long is taken for dead, after three or four missed heartbeats. A takeover may take
5 s; eighty of them at once need a second of two busy cores."""
LONGEST_GAP_SECONDS = 2.0
"""Between two looks. After a longer one, all processes may have been kept from their heartbeats, as this one was."""
SETTLE_SECONDS = 6.0
"""How long to look on after such a gap: some may still be waiting for a connection, which takes up to 5 s."""


class _Look(NamedTuple):
    at: float
    beat: int
    """The greatest number that there was."""


class Liveness:
    """What this process has seen of all heartbeats."""

    def __init__(self) -> None:
        self._looks = deque[_Look]()
        self._since = 0.0
        """Since when there were no gaps."""
        self._has_gap = False
        """Whether one is why there is nothing before that."""

    def look(self, at: float, beat: int) -> None:
        """`at`: the monotonic time before the database was asked for the greatest number."""
        if not self._looks or at - self._looks[-1].at > LONGEST_GAP_SECONDS:
            self._has_gap = bool(self._looks)
            self._since = at
            self._looks.clear()
        while self._looks and self._looks[-1].beat > beat:  # these numbers are given again
            self._looks.pop()
        self._looks.append(_Look(at, beat))
        while len(self._looks) > 1 and at - self._looks[1].at >= SILENT_SECONDS:
            self._looks.popleft()

    @property
    def silent_beat(self) -> int:
        """Processes whose heartbeats have no number beyond this one are silent."""
        now = monotonic()
        if not self._looks or now - self._looks[-1].at > LONGEST_GAP_SECONDS:
            return 0
        is_settled = not self._has_gap or now - self._since >= SETTLE_SECONDS
        return self._looks[0].beat if is_settled and now - self._looks[0].at >= SILENT_SECONDS else 0


_beat = sa.bindparam("silent_beat", type_=sa.BigInteger)
"""In each statement that asks for liveness."""
_OF_AN_OLDER_RELEASE = processes.c.beat.is_(None)
"""It has no numbers, and is judged by the database's clock, while anybody is judged."""
IS_SILENT = sa.case(
    (_OF_AN_OLDER_RELEASE, (_beat > 0) & (processes.c.seen_at <= db_now() - SILENT_SECONDS)),
    else_=processes.c.beat <= _beat,
)


def alive() -> sa.Select[tuple[str]]:
    """The ids of the processes that are not silent, as a subquery."""
    return sa.select(processes.c.process_id).where(sa.not_(IS_SILENT))


def silent() -> sa.Select[tuple[str]]:
    """The ids of those that are, and did not say goodbye, as a subquery."""
    return sa.select(processes.c.process_id).where(IS_SILENT)
