"""Where frames go in tests: a client that keeps all it gets, and that may stop reading for a while."""

import asyncio

from api.streams.cursor import Cursor
from api.streams.viewer import Viewer
from api.wires.base import Frames, Wire, WireContext
from core.model.feed import Feed
from core.model.keys import TurnKey

CONTEXT = WireContext(key=TurnKey("s", 1), model="m", created_at=1_800_000_000.0)


class KeepingSink:
    def __init__(self) -> None:
        self.frames: Frames = []
        """All that came."""
        self.written: Frames = []
        """What of it was written from within a change of the feed."""
        self.has_begun = False
        """Set by the first frames, as the head of a response is."""
        self._is_reading = asyncio.Event()
        self._is_reading.set()

    @property
    def is_ready(self) -> bool:
        return self.has_begun and self._is_reading.is_set()

    def write(self, frames: Frames) -> None:
        assert frames
        assert self.is_ready
        self.written += frames
        self._take(frames)

    async def send(self, frames: Frames) -> None:
        assert frames
        self.has_begun = True
        await self._is_reading.wait()
        self._take(frames)

    def stop_reading(self) -> None:
        self._is_reading.clear()

    def read_on(self) -> None:
        self._is_reading.set()

    def _take(self, frames: Frames) -> None:
        self.frames += frames


class Watching:
    """A viewer at work: `async with Watching(feed, wire) as watching:`, and after `settle()` it has done all it can."""

    def __init__(self, feed: Feed, wire: Wire, cursor: Cursor | None = None, sink: KeepingSink | None = None) -> None:
        self.sink = sink or KeepingSink()
        self._run = Viewer(feed, cursor, wire, self.sink).run
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> "Watching":
        self._task = asyncio.create_task(self._run())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def end(self) -> None:
        """Wait for it. Raises what the viewer does."""
        await self._task

    @property
    def body(self) -> bytes:
        return b"".join(self.sink.frames)

    def news(self) -> bytes:
        """What came since the last call."""
        body = self.body
        self.sink.frames.clear()
        return body


async def settle() -> None:
    """Let every task run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def read(feed: Feed, wire: Wire, cursor: Cursor | None = None) -> bytes:
    """A turn that is over, to its end. Raises Unfinished."""
    async with Watching(feed, wire, cursor) as watching:
        await watching.end()
        return watching.body
