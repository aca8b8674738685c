"""Voices: how the events of a watcher's look over its connection, and the words that are of the connection itself."""

from abc import ABC, abstractmethod
from time import time

import msgspec

from api.streams.cursor import Cursor
from api.watchers.places import Places
from api.wires.base import Frames, WireContext
from api.wires.seed import RETRY_MS
from api.wires.stream_events import ENDS, StreamEventsWire
from core.model.keys import TurnKey

LAGGED = "lagged"
_encode = msgspec.json.Encoder().encode


class Voice(ABC):
    def __init__(self, places: Places | None = None) -> None:
        """`places`: where its events tell how to go on elsewhere."""
        self._places = places

    def wire(self, context: WireContext, *, has_started: bool) -> StreamEventsWire:
        """`has_started`: whether the reader was told of the stream before, elsewhere."""
        return StreamEventsWire(context, self._turn_event, has_started=has_started)

    @abstractmethod
    def opening(self) -> Frames: ...

    @abstractmethod
    def ping(self) -> Frames: ...

    @abstractmethod
    def event(self, name: str, data: bytes) -> bytes:
        """As a frame. `data` is JSON."""

    def lagged(self, missed: int, keys: list[TurnKey]) -> Frames:
        told = {"missed": missed, "requestIds": [*map(str, keys)], "timestamp": int(time() * 1000)}
        return [self.event(LAGGED, _encode(told))]

    def told_to(self, until: float) -> None:
        """All that has ended before is told."""
        if self._places is not None:
            self._places.told_to(until)

    def _turn_event(self, key: TurnKey, name: str, data: bytes, at: Cursor | None) -> bytes:
        if self._places is not None:
            if name in ENDS:
                self._places.end(key)
            elif at is not None:
                self._places.move(key, at)
        return self.event(name, data)


class SseVoice(Voice):
    """Server-Sent Events (WHATWG HTML 9.2)."""

    def __init__(self) -> None:
        self._here = Places()
        super().__init__(self._here)

    def opening(self) -> Frames:
        return [b"retry: %d\n\n" % RETRY_MS]

    def ping(self) -> Frames:
        return [b": ping\n\n"]

    def closing(self) -> Frames:
        """The client resumes elsewhere by itself."""
        return [b": closing\n\n"]

    def event(self, name: str, data: bytes) -> bytes:
        return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), self._here.id, data)


class SocketVoice(Voice):
    """Messages of a WebSocket. With `places` each has the `id` by which a connection goes on."""

    def opening(self) -> Frames:
        return [b'{"type":"ready"}']

    def ping(self) -> Frames:
        """JavaScript does not see the protocol's own."""
        return [b'{"type":"ping"}']

    def event(self, name: str, data: bytes) -> bytes:
        if self._places is None:
            return b'{"type":"event","event":"%b","data":%b}' % (name.encode(), data)
        return b'{"type":"event","event":"%b","id":"%b","data":%b}' % (name.encode(), self._places.id, data)
