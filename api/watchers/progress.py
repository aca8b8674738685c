"""Progress: how far a watcher has come in all the streams of its connection, as one id by which it goes on elsewhere.

`<time>~<stream><attempt>.<position>,…~<stream>,…`: up to when all is told that has ended, by the database's clock in
milliseconds; how far each stream was told that has not ended; and those that have ended since that time. A stream is
named by a digest of eight characters. Nothing of it is kept here, so any API process can go on with it.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from time import monotonic
from typing import NamedTuple, TypeVar

from api.streams.cursor import Cursor
from core.model.errors import InvalidEventId
from core.model.keys import TurnKey
from core.store.turns.watched import LATE_SECONDS, WatchedTurn

T = TypeVar("T")

MOST_OPEN, MOST_ENDED = 300, 150
"""Streams in an id: it has to fit into a header (8 KB in many servers). What is not in it is told again from its
beginning."""
MOST_CHARS = 8_000

_ID = re.compile(r"(\d{1,15})~([\w.,-]*)~([\w,-]*)\Z", re.ASCII)
_OPEN = re.compile(r"([\w-]{8})(\d{1,9}\.\d{1,9})\Z", re.ASCII)


class Resumption(NamedTuple):
    """Where a watcher goes on that was here, or elsewhere, before."""

    at: float
    """When the id was told, by the database's clock: all that had ended before was told."""
    open: dict[bytes, bytes]
    ended: tuple[bytes, ...]

    @classmethod
    def parse(cls, text: str) -> "Resumption":
        """Raises InvalidEventId."""
        match = _ID.match(text) if len(text) <= MOST_CHARS else None
        if match is None:
            raise InvalidEventId("Last-Event-ID is not one that this stream has told")
        found = [_OPEN.match(each) for each in match[2].split(",") if each]
        if None in found:
            raise InvalidEventId("Last-Event-ID names a place that there cannot be")
        open_streams = {each[1].encode(): each[2].encode() for each in found if each}
        ended = tuple(digest.encode() for digest in match[3].split(",") if digest)
        return cls(int(match[1]) / 1000, open_streams, ended)

    @property
    def since(self) -> float:
        """What has ended later may be news."""
        return self.at - LATE_SECONDS

    def names(self, turn: WatchedTurn) -> bool:
        """Whether it was told of, and its end was not; nor was it gone on with since."""
        return self._knew(turn) and _digest(turn.key) in self.open

    def take(self, turn: WatchedTurn) -> Cursor | None:
        """Where to go on with a stream, once; None for one that was not told of."""
        at = self.open.pop(_digest(turn.key)) if self.names(turn) else None
        return Cursor(turn.key.turn, *map(int, at.split(b"."))) if at is not None else None

    def has_told_end(self, turn: WatchedTurn) -> bool:
        return self._knew(turn) and _digest(turn.key) in self.ended

    def _knew(self, turn: WatchedTurn) -> bool:
        """The same key may be another turn's: of one that was taken back, or deleted long ago."""
        return turn.created_at <= self.at + LATE_SECONDS


class Progress:
    def __init__(self, resumption: Resumption | None = None) -> None:
        """Goes on with that of the connection before."""
        self._complete_to = resumption.at if resumption is not None else 0.0
        self._open = dict(resumption.open) if resumption is not None else {}
        self._ended = dict.fromkeys(resumption.ended if resumption is not None else (), monotonic())
        """When each was told, by the monotonic clock."""

    @property
    def id(self) -> bytes:
        open_streams = b",".join([digest + at for digest, at in _newest(self._open, MOST_OPEN)])
        ended = b",".join([digest for digest, _ in _newest(self._ended, MOST_ENDED)])
        return b"%d~%b~%b" % (self._complete_to * 1000, open_streams, ended)

    def move(self, key: TurnKey, at: Cursor) -> None:
        self._open[_digest(key)] = b"%d.%d" % (at.attempt, at.position)

    def end(self, key: TurnKey) -> None:
        self.forget(key)
        self._ended[_digest(key)] = monotonic()

    def forget(self, key: TurnKey) -> None:
        self._open.pop(_digest(key), None)

    def keep_only(self, keys: Iterable[TurnKey]) -> None:
        """There are no other streams than these."""
        digests = set(map(_digest, keys))
        self._open = {digest: at for digest, at in self._open.items() if digest in digests}

    def complete_to(self, time: float) -> None:
        """All that has ended before is told, by the database's clock; a moment ago, by ours."""
        self._complete_to = time
        long_ago = monotonic() - 2 * LATE_SECONDS
        for digest, at in list(self._ended.items()):
            if at < long_ago:
                del self._ended[digest]


def _newest(streams: dict[bytes, T], most: int) -> Iterator[tuple[bytes, T]]:
    return islice(streams.items(), max(len(streams) - most, 0), None)


@lru_cache(4096)
def _digest(key: TurnKey) -> bytes:
    return urlsafe_b64encode(hashlib.blake2b(str(key).encode(), digest_size=6).digest())
