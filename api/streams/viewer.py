"""A viewer: follows one turn for one client. A slow one costs no memory.

A token's way: the feed changes, the viewer has its view make frames of what is new, and its sink writes them.
"""

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import Protocol

import structlog
from starlette.types import Scope, Send

from api.http.push import push_of
from api.http.requests import body_send
from api.streams.cursor import END_OF_LOST, Cursor
from api.wires.base import Frames, Unfinished, Wire
from core.idle_timer import IdleTimer
from core.model.feed import Feed

log = structlog.get_logger()

PING_SECONDS = 15.0
"""Proxies cut connections that are silent for 30 to 60 s."""


class Sink(Protocol):
    """Where the frames of one client go."""

    @property
    def is_ready(self) -> bool:
        """Whether its client has been answered and keeps up, so that `write` may be called."""
        ...

    def write(self, frames: Frames) -> None:
        """At once, from within a change of the feed; at least one frame."""
        ...

    async def send(self, frames: Frames) -> None:
        """Waits for a client that does not keep up."""
        ...


class Viewer:
    """Follows a feed after `cursor` (None: from the beginning) to the end of the turn."""

    def __init__(
        self, feed: Feed, cursor: Cursor | None, wire: Wire, sink: Sink, idle_timer: IdleTimer | None = None
    ) -> None:
        """`idle_timer`: of a client that is told of more than this turn, and is seen to when nothing was sent for long;
        else it is the viewer's own."""
        self._feed = feed
        self._view = View(feed, cursor, wire)
        self._wire = wire
        self._sink = sink
        self._changed = asyncio.Event()
        self._is_waiting = False
        """For a change. While it is not, frames are being sent, and nothing may overtake them."""
        self._idle_timer = idle_timer or IdleTimer(PING_SECONDS, self._changed.set)
        self._keeps_timer = idle_timer is None

    async def run(self) -> None:
        """Raises Unfinished."""
        await self._send(self._wire.opening())
        with self._feed.on_change(self._on_change), self._idle_timer if self._keeps_timer else nullcontext():
            while True:
                self._changed.clear()
                try:
                    frames = self._view.new_frames()
                except Unfinished as error:
                    await self._send(error.last_words)
                    raise
                is_over = self._feed.is_over
                await self._send(frames if frames or not self._idle_timer.is_idle else self._wire.ping())
                if is_over:
                    return
                self._is_waiting = True
                await self._changed.wait()
                self._is_waiting = False

    async def _send(self, frames: Frames) -> None:
        if frames:
            self._idle_timer.touch()
            await self._sink.send(frames)

    def _on_change(self) -> None:
        """What was simply added is written here and now: to wake the task for it takes longer than to write it."""
        if not (self._view.has_only_grown and self._is_waiting and self._sink.is_ready):
            self._changed.set()
            return
        try:
            frames = self._view.growth()
        except Exception as error:  # `run` fails by it as well: that is this viewer's affair alone
            log.error("view failed", action="view.failed", exc_info=error)
            self._changed.set()
            return
        if frames:
            self._idle_timer.touch()
            self._sink.write(frames)


class View:
    """One client's position in a shared feed, and what is new for it in the words of a wire."""

    def __init__(self, feed: Feed, cursor: Cursor | None, wire: Wire) -> None:
        """After `cursor`; None: from the beginning."""
        self.feed = feed
        self.wire = wire
        self._at = cursor or Cursor(feed.key.turn, 0, 0)
        self._queue_position: int | None = None
        self._model = ""
        """That answers, as far as the client was told."""
        self._has_sent = False
        """Whether any of the answer was told."""

    @property
    def has_only_grown(self) -> bool:
        """Since the last call of `new_frames`: nothing has happened but that the tape may be longer."""
        feed = self.feed
        return (
            0 < feed.attempt == self._at.attempt
            and feed.model == self._model
            and feed.end is None
            and feed.error is None
        )

    @property
    def _goes_on(self) -> bool:
        """Whether the feed is at a later attempt, which has gone on with what the client has."""
        at, feed = self._at, self.feed
        return 0 < feed.origin <= at.attempt < feed.attempt and at.position <= len(feed.tape)

    def new_frames(self) -> Frames:
        """Everything since the last call. Raises Unfinished."""
        feed, wire = self.feed, self.wire
        frames: Frames = []
        if feed.attempt > self._at.attempt:
            goes_on = self._goes_on
            before, self._at = self._at, Cursor(self._at.turn, feed.attempt, 0)
            if before.attempt == 0:
                frames += wire.started(self._at, feed.model, feed.provider)
            elif goes_on:
                self._at = before._replace(attempt=feed.attempt)
            else:
                reason = feed.reason or "worker_lost"
                frames += wire.restarted(self._at, feed.model, feed.provider, reason, has_sent=self._has_sent)
        elif feed.attempt and self._model not in ("", feed.model) and self._at.position == 0:  # else it goes on
            frames += wire.started(self._at, feed.model, feed.provider)
        elif feed.attempt == 0 and feed.queue_position not in (None, self._queue_position):
            self._queue_position = feed.queue_position
            frames += wire.queued(self._queue_position or 0)
        self._model = feed.model
        if feed.attempt == self._at.attempt:
            frames += self.growth()
        if feed.end is not None:
            is_beyond = self._at.position > feed.end.position  # whoever has ended it has only what is stored
            at = self._at._replace(position=END_OF_LOST if is_beyond else feed.end.position + 1)
            frames += wire.ended(at, feed.end)
        elif feed.error is not None:
            frames += wire.broken(feed.error)
        return frames

    def drop_answer(self) -> int:
        """Of a feed that is over: only how it ended is told from here on. Returns how many pieces of the
        answer are left out."""
        if self._goes_on:
            self._at = self._at._replace(attempt=self.feed.attempt)
        feed, at = self.feed, self._at
        self.feed = feed.without_answer()
        return len(feed.tape.pieces(at.position if at.attempt == feed.attempt else 0))

    def growth(self) -> Frames:
        """What was added to the tape, in frames that are made once for all clients at the same place."""
        feed, at = self.feed, self._at
        length = len(feed.tape)
        if length <= at.position:
            return []
        wire, key = self.wire, (self.wire.name, at)
        frames = feed.framed.get(key) if wire.shares_frames else None
        if frames is None:
            new = feed.tape.pieces(at.position) if wire.takes_pieces else feed.tape.slice(at.position)
            frames = wire.grew(new, at)
            if wire.shares_frames:
                feed.framed[key] = frames
        self._at = Cursor(at.turn, at.attempt, length)
        self._has_sent = self._has_sent or bool(frames)
        return frames


class HttpSink:
    """The body of an HTTP response. The head goes out with the first frames: until then, an error can still be told by
    its status."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], ping: Frames, scope: Scope, send: Send) -> None:
        """`ping`: what says nothing."""
        self.has_begun = False
        self._head = {"type": "http.response.start", "status": status, "headers": headers}
        self._send = send
        self._send_body = body_send(scope, send)
        self._push = push_of(scope)
        if self._push is not None and ping:
            self._push.on_probe = partial(self.write, ping)

    @property
    def is_ready(self) -> bool:
        return self._push is not None and self._push.is_ready

    def write(self, frames: Frames) -> None:
        """A chunk (RFC 9112, 7.1)."""
        body = b"".join(frames)
        self._push.write(b"%x\r\n%b\r\n" % (len(body), body))  # type: ignore[union-attr]  # it is ready

    async def send(self, frames: Frames) -> None:
        await self._begin()
        await self._send_body({"type": "http.response.body", "body": b"".join(frames), "more_body": True})

    async def finish(self) -> None:
        """The proper end. Without it the client's HTTP library reports the answer as cut off."""
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            await self._send(self._head)
