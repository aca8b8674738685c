"""How many streams this process holds open, for one client and in all: the memory of a process is bounded."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Address

from core.model.errors import TooManyStreams

RETRY_AFTER_SECONDS = 5


class StreamLimits:
    def __init__(self, per_client: int, in_all: int) -> None:
        self._per_client = per_client
        self._in_all = in_all
        self._open: Counter[str] = Counter()

    @contextmanager
    def hold(self, address: Address | None) -> Iterator[None]:
        """One stream of this client, for as long as it is open. Raises TooManyStreams."""
        client = address.host if address else ""
        if self._open[client] >= self._per_client:
            raise TooManyStreams(
                f"you have {self._per_client} streams open at this server, its limit for one client",
                retry_after=RETRY_AFTER_SECONDS,
            )
        if self._open.total() >= self._in_all:
            raise TooManyStreams(
                f"this server has {self._in_all} streams open, its limit", retry_after=RETRY_AFTER_SECONDS
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
