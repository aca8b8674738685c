"""Every writer numbers its lines: what jumps is lost, what comes back was sent twice."""

from collections import OrderedDict

KNOWN_WRITERS = 10_000


class WriterNumbers:
    def __init__(self) -> None:
        self._last: OrderedDict[str, int] = OrderedDict()

    def lost_before(self, writer: str, number: int) -> int | None:
        """How many of its lines are missing before this one, which is taken for seen; None if it was seen before."""
        last = self._last.get(writer)
        if last is not None and number <= last:
            return None
        self._last[writer] = number
        self._last.move_to_end(writer)
        if len(self._last) > KNOWN_WRITERS:
            self._last.popitem(last=False)
        return 0 if last is None else number - last - 1
