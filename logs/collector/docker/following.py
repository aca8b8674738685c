"""Follows the log of one container, over all that breaks in between, until it ends."""

import asyncio
from collections.abc import Mapping

import aiohttp
import structlog

from logs.collector.docker.engine import Engine, EngineError, NotFound
from logs.collector.docker.frames import BadFrame, FramedLines, Frames, TerminalLines
from logs.collector.docker.selection import Container
from logs.collector.intake import Bucket, Intake
from logs.collector.resuming import OVERLAP_NS, Resuming, since_of
from logs.collector.sender import Sender
from logs.records.joining import Line

log = structlog.get_logger()

REOPEN_SECONDS = (0.1, 5.0)
"""Pause before a follow that broke is opened again, and the longest; each is twice the one before."""
_FRAMED = "multiplexed-stream"


class LogStream:
    """stdout or stderr of a container."""

    def __init__(self, intake: Intake, place: str | None) -> None:
        self._intake = intake
        self.resuming = Resuming(place)

    def take(self, line: Line, ns: int) -> None:
        if self.resuming.is_new(ns):
            line.place = self.resuming.place
            self._intake.take(line)

    def close(self) -> None:
        self._intake.close()


class Follow:
    """Of one container, for as long as the collector lives: `run` is called each time it starts. Its places stay."""

    def __init__(
        self,
        engine: Engine,
        sender: Sender,
        container: Container,
        places: Mapping[str, str],
        *,
        first_ns: int,
        lines_per_second: float,
    ) -> None:
        """`first_ns`: what is older is not read, where nothing is known of it."""
        self._engine = engine
        self._sender = sender
        self._container = container
        self._first_ns = first_ns
        bucket = Bucket(lines_per_second)
        self._streams: dict[str, LogStream] = {}
        for stream in ("stdout", "stderr"):
            source = f"docker:{container.id}:{stream}"
            fields = {"container": container.name} | ({"stream": stream} if stream == "stderr" else {})
            intake = Intake(sender, source, container.service, fields, bucket=bucket)
            self._streams[stream] = LogStream(intake, places.get(source))
        self.starts_again = False
        """It has been started since the last look."""
        self._is_refused = False

    async def run(self) -> None:
        """Until the container has ended, and all that it said has been read."""
        pause, longest = REOPEN_SECONDS
        try:
            while True:
                self.starts_again = False
                before = self._last_ns
                try:
                    if not await self._read():
                        return
                except NotFound:
                    return  # it was removed
                except (*EngineError, BadFrame) as error:
                    self._note(error)
                pause = REOPEN_SECONDS[0] if self._last_ns != before else min(2 * pause, longest)
                await asyncio.sleep(pause)
        finally:
            for stream in self._streams.values():
                stream.close()

    def _note(self, error: Exception) -> None:
        """Streams break; but an engine that answers, and has no log to give, shall be heard of once."""
        told = {"action": "docker.reopen", "container": self._container.name, "error": str(error)[:300]}
        if isinstance(error, ValueError) and not self._is_refused:
            self._is_refused = True
            log.warning("the Docker engine gives no log", **told)
        else:
            log.debug("a log broke off", **told)

    @property
    def _last_ns(self) -> int:
        return max(stream.resuming.last_ns for stream in self._streams.values())

    async def _read(self) -> bool:
        """Whether it may have more to say. Raises EngineError, BadFrame and NotFound."""
        was = await self._engine.inspect(self._container.id)
        is_terminal = bool((was.get("Config") or {}).get("Tty"))
        for stream in self._streams.values():
            stream.resuming.begin()
        since = max(self._last_ns - OVERLAP_NS, self._first_ns if self._last_ns == 0 else 0)
        async with self._engine.logs(self._container.id, since=since_of(since), follow=_is_running(was)) as response:
            if is_terminal and _FRAMED not in response.content_type:
                rest = await self._read_terminal(response)
            else:
                rest = await self._read_frames(response)
        is_over = not await self._is_running() and not self.starts_again
        if is_over:
            for name, found in rest:
                self._streams[name].take(*found)
        return not is_over

    async def _is_running(self) -> bool:
        try:
            return _is_running(await self._engine.inspect(self._container.id))
        except NotFound:
            return False  # it was removed when it ended

    async def _read_frames(self, response: aiohttp.ClientResponse) -> list[tuple[str, tuple[Line, int]]]:
        frames = Frames()
        lines = {stream: FramedLines() for stream in self._streams}
        async for data in response.content.iter_any():
            for stream, payload in frames.feed(data):
                for found in lines[stream].feed(payload) if stream in lines else ():
                    self._streams[stream].take(*found)
            await self._sender.room()
        return [(stream, of.rest()) for stream, of in lines.items() if of.is_within_a_line]

    async def _read_terminal(self, response: aiohttp.ClientResponse) -> list[tuple[str, tuple[Line, int]]]:
        lines = TerminalLines()
        async for data in response.content.iter_any():
            for found in lines.feed(data):
                self._streams["stdout"].take(*found)
            await self._sender.room()
        rest = lines.rest()
        return [] if rest is None else [("stdout", rest)]


def _is_running(values: Mapping[str, object]) -> bool:
    state = values.get("State")
    return isinstance(state, dict) and bool(state.get("Running"))
