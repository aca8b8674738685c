"""Places: how far a watcher has come in all the streams of its connection, as one id by which it goes on elsewhere.

`<time>~<stream><attempt>.<position>,…~<stream>,…`: up to when all is told that has ended, by the database's clock in
milliseconds; how far each stream was told that has not ended; and those that have ended since that time. A stream is
named by a digest of eight characters. Nothing of it is kept here, so any API process can go on with it.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from functools import lru_cache
from time import monotonic
from typing import NamedTuple

from api.streams.cursor import Cursor
from core.model.errors import InvalidEventId
from core.model.keys import TurnKey
from core.store.turns.watched import LATE_SECONDS

MOST = 400
"""Streams in an id, so that it fits into a header (8 KB in many servers). One more is told again from its beginning."""
MOST_CHARS = 8_000

_ID = re.compile(r"(\d{1,15})~([\w.,-]*)~([\w,-]*)\Z", re.ASCII)
_PLACE = re.compile(r"([\w-]{8})(\d{1,9})\.(\d{1,9})\Z", re.ASCII)


class Places:
    def __init__(self) -> None:
        self._told_to = 0.0
        self._open: dict[TurnKey, bytes] = {}
        self._ended: dict[bytes, float] = {}
        """When each was told, by the monotonic clock."""

    @property
    def id(self) -> bytes:
        places = [*self._open.values()][-MOST:]
        return b"%d~%b~%b" % (self._told_to * 1000, b",".join(places), b",".join([*self._ended][-MOST:]))

    def move(self, key: TurnKey, at: Cursor) -> None:
        self._open[key] = b"%b%d.%d" % (_digest(key), at.attempt, at.position)

    def end(self, key: TurnKey) -> None:
        self._open.pop(key, None)
        self._ended[_digest(key)] = monotonic()

    def told_to(self, time: float) -> None:
        """All that has ended before is told, by the database's clock; a moment ago, by ours."""
        self._told_to = time
        forgotten = monotonic() - 2 * LATE_SECONDS
        for digest, at in list(self._ended.items()):
            if at < forgotten:
                del self._ended[digest]


class Resumption(NamedTuple):
    """Where a watcher goes on that was here, or elsewhere, before."""

    since: float
    """What has ended later may be news, by the database's clock."""
    places: dict[bytes, tuple[int, int]]
    ended: frozenset[bytes]

    @classmethod
    def parse(cls, text: str) -> "Resumption":
        """Raises InvalidEventId."""
        match = _ID.match(text) if len(text) <= MOST_CHARS else None
        if match is None:
            raise InvalidEventId("Last-Event-ID is not one that this stream has told")
        found = [_PLACE.match(place) for place in match[2].split(",") if place]
        if None in found:
            raise InvalidEventId("Last-Event-ID names a place that there cannot be")
        places = {place[1].encode(): (int(place[2]), int(place[3])) for place in found if place}
        ended = frozenset(digest.encode() for digest in match[3].split(",") if digest)
        return cls(int(match[1]) / 1000 - LATE_SECONDS, places, ended)

    def cursor(self, key: TurnKey) -> Cursor | None:
        """None for a stream that was not told of."""
        place = self.places.get(_digest(key))
        return Cursor(key.turn, *place) if place is not None else None

    def has_told_end(self, key: TurnKey) -> bool:
        return _digest(key) in self.ended


@lru_cache(4096)
def _digest(key: TurnKey) -> bytes:
    return urlsafe_b64encode(hashlib.blake2b(str(key).encode(), digest_size=6).digest())
