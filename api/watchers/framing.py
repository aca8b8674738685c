"""Framings: how a watcher's events look over its connection, and the words that are of the connection itself."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from time import time

import msgspec

from api.streams.cursor import Cursor
from api.watchers.progress import Progress, Resumption
from api.wires.base import Frames, WireContext
from api.wires.seed import RETRY_MS
from api.wires.stream_events import ENDS, StreamEventsWire
from core.model.keys import TurnKey

LAGGED = "lagged"
_encode = msgspec.json.Encoder().encode


class Framing(ABC):
    def __init__(self, progress: Progress | None = None) -> None:
        """`progress`: told with each event, so that the connection can go on elsewhere."""
        self._progress = progress

    def wire(self, context: WireContext, *, has_started: bool) -> StreamEventsWire:
        """`has_started`: whether the reader was told of the stream before, elsewhere."""
        return StreamEventsWire(context, self._turn_event, has_started=has_started)

    @abstractmethod
    def opening(self) -> Frames: ...

    @abstractmethod
    def ping(self) -> Frames: ...

    @abstractmethod
    def event(self, name: str, data: bytes, event_id: bytes | None) -> bytes:
        """As a frame. `data` is JSON."""

    def lagged(self, missed: int, keys: list[TurnKey]) -> Frames:
        """Has no id: the events of its batch come after it."""
        data = {"missed": missed, "requestIds": [*map(str, keys)], "timestamp": int(time() * 1000)}
        return [self.event(LAGGED, _encode(data), None)]

    def complete_to(self, time: float) -> None:
        """All that has ended before is told, by the database's clock."""
        if self._progress is not None:
            self._progress.complete_to(time)

    def keep_only(self, keys: Iterable[TurnKey]) -> None:
        """There are no other streams than these to go on with."""
        if self._progress is not None:
            self._progress.keep_only(keys)

    def forget(self, key: TurnKey) -> None:
        """It is followed no more."""
        if self._progress is not None:
            self._progress.forget(key)

    def _turn_event(self, key: TurnKey, name: str, data: bytes, at: Cursor | None) -> bytes:
        if self._progress is None:
            return self.event(name, data, None)
        if name in ENDS:
            self._progress.end(key)
        elif at is not None:
            self._progress.move(key, at)
        return self.event(name, data, self._progress.id)


class SseFraming(Framing):
    """Server-Sent Events (WHATWG HTML 9.2)."""

    def __init__(self, resumption: Resumption | None = None) -> None:
        super().__init__(Progress(resumption))

    def opening(self) -> Frames:
        return [b"retry: %d\n\n" % RETRY_MS]

    def ping(self) -> Frames:
        return [b": ping\n\n"]

    def closing(self) -> Frames:
        """The client resumes elsewhere by itself."""
        return [b": closing\n\n"]

    def event(self, name: str, data: bytes, event_id: bytes | None) -> bytes:
        field = b"" if event_id is None else b"id: %b\n" % event_id
        return b"event: %b\n%bdata: %b\n\n" % (name.encode(), field, data)


class SocketFraming(Framing):
    """Messages of a WebSocket."""

    def opening(self) -> Frames:
        return [b'{"type":"ready"}']

    def ping(self) -> Frames:
        """JavaScript does not see the protocol's own."""
        return [b'{"type":"ping"}']

    def event(self, name: str, data: bytes, event_id: bytes | None) -> bytes:
        member = b"" if event_id is None else b'"id":"%b",' % event_id
        return b'{"type":"event","event":"%b",%b"data":%b}' % (name.encode(), member, data)
