"""Writing to a reader that may be slow: in pieces, which show whether it takes anything."""

import asyncio
from collections.abc import Iterator
from time import monotonic

from api.streams.viewer import Sink
from api.wires.base import Frames
from core.model.errors import SlowReader

WRITE_SECONDS = 30.0
"""For a reader to make room for one piece. Whoever takes nothing for so long has gone, or never meant to read."""
WRITE_BYTES = 65_536
"""Of a piece, or one frame."""


class Writer:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: asyncio.Timeout | None = None
        """For a reader that does not keep up."""
        self._waiting_since = 0.0

    @property
    def stalled_seconds(self) -> float:
        """For how long its reader has taken nothing."""
        return monotonic() - self._waiting_since if self._waiting is not None else 0.0

    async def write(self, frames: Frames) -> None:
        """Raises SlowReader."""
        if self._sink.is_ready:
            self._sink.write(frames)
            return
        for piece in _pieces(frames):
            self._waiting_since = monotonic()
            try:
                async with asyncio.timeout(WRITE_SECONDS) as self._waiting:
                    await self._sink.send(piece)
            except TimeoutError:
                raise SlowReader("the reader has taken nothing for too long") from None
            finally:
                self._waiting = None

    def interrupt(self) -> None:
        """Wait for the reader no longer."""
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())


def _pieces(frames: Frames) -> Iterator[Frames]:
    piece: Frames = []
    size = 0
    for frame in frames:
        if piece and size + len(frame) > WRITE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(frame)
        size += len(frame)
    if piece:
        yield piece
