"""A cursor: the place in a turn up to which a client has seen everything; on the wire, an SSE event id."""

import re
from typing import NamedTuple, Self

from core.model.errors import InvalidEventId
from core.store.turns.records import Turn

_ID = re.compile(r"([1-9]\d{0,8})\.(\d{1,9})\.(\d{1,9})\Z", re.ASCII)

END_OF_LOST = 999_999_999
"""The position behind the end of a turn that was ended for its dead owner, for those who had seen more of it than what
is stored: no tape is so long."""


class Cursor(NamedTuple):
    turn: int
    attempt: int
    position: int

    def __str__(self) -> str:
        return f"{self.turn}.{self.attempt}.{self.position}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidEventId."""
        match = _ID.match(text)
        if match is None:
            raise InvalidEventId(f"Last-Event-ID {text[:80]!r} is not <turn>.<attempt>.<position>, e.g. 1.1.42")
        return cls(*map(int, match.groups()))

    def is_end_of(self, turn: Turn) -> bool:
        """Everything was seen: the terminal event counts 1 on the tape. Raises InvalidEventId beyond that.

        A turn that somebody else ended for its dead owner has what was stored of it alone, though its viewers may have
        seen more: they still have to hear of the end, whose position for them is END_OF_LOST.
        """
        if not turn.finished or self.attempt < turn.attempt:
            return False
        end = len(turn.read_tape()) + 1
        is_whole = turn.part_ends is not None or turn.attempt == 0  # of one that nobody began there was nothing to see
        if self.attempt > turn.attempt or (is_whole and self.position > end):
            raise InvalidEventId(
                f"Last-Event-ID {self} lies beyond the end of the turn, {turn.turn}.{turn.attempt}.{end}"
            )
        return self.position == (end if is_whole else END_OF_LOST)
