"""Where lines are kept for longer than Redis has them."""

from collections.abc import Sequence
from typing import Protocol

from logs.archive.table import Found
from logs.live.filters import Matcher
from logs.stream.line import LineId, StreamLine


class ArchiveFull(Exception):
    """The disk is; the message says how to mend it."""


class Archive(Protocol):
    """Its calls block: they are for threads. Any of them may raise sqlalchemy.exc.SQLAlchemyError or OSError."""

    def last_id(self) -> LineId | None:
        """Of the newest line."""
        ...

    def append(self, lines: Sequence[StreamLine]) -> None:
        """Passes over those that are there already. Raises ArchiveFull."""
        ...

    def search(self, matcher: Matcher, place: LineId | None, limit: int, *, backwards: bool, deadline: float) -> Found:
        """The lines next to the place, or from the end. `deadline`: by the monotonic clock."""
        ...

    def names(self) -> tuple[set[str], set[str]]:
        """Services and channels of today and yesterday."""
        ...

    def tidy(self) -> list[str]:
        """Drops what is too old or too much; tells what in a sentence each."""
        ...

    def close(self) -> None: ...
