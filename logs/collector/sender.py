"""Sends what all sources read to Redis, in batches, with how far each has been read."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from time import monotonic, time

import msgspec
import structlog
from redis.exceptions import RedisError

from core.telemetry.log_stream.appender import Appender, Line
from core.telemetry.log_stream.redis_stream import POSITIONS, connect

log = structlog.get_logger()

MOST_BYTES = 8 * 1024 * 1024
"""Wait for Redis at most, about; then the sources stop reading."""
BATCH_LINES = 500
BATCH_BYTES = 2 * 1024 * 1024
LINGER_SECONDS = 0.01
"""For more lines that can go with the first one."""
RETRY_SECONDS = (0.1, 2.0)
"""Pause after the first failure, and the longest; each is twice the one before."""
KEEP_SECONDS = 30 * 86400.0
"""A position that has not changed for so long is forgotten: what it is of is gone, or has nothing new to read."""


class Parcel(msgspec.Struct):
    """Lines that go together with a position, or not at all."""

    lines: Sequence[Line]
    source: str
    place: str | None
    bytes: int


class Sender:
    """One for all sources: `put`, then `room` before anything else is read. `run` is a task; `drain` ends it well."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self._waiting: deque[Parcel] = deque()
        self._bytes = 0
        self._places: dict[str, str] = {}
        """All that were sent: a Redis that comes back without its data gets them again."""
        self._number = 0
        """Of the last line sent, among all that are in the stream."""
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self.is_away = False
        """Redis does not answer."""

    def put(self, lines: Sequence[Line], source: str, place: str | None) -> None:
        size = sum(len(line.record) for line in lines)
        self._waiting.append(Parcel(lines, source, place, size))
        self._bytes += size
        self._wake.set()
        self._is_empty.clear()
        if self._bytes > MOST_BYTES:
            self._has_room.clear()

    async def room(self) -> None:
        await self._has_room.wait()

    async def drain(self, seconds: float) -> None:
        """Waits so long for what is not sent yet. What is left then will be read again."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_empty.wait()
        except TimeoutError:
            log.warning("lines are left for the next time", action="collector.left", lines=len(self._waiting))

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(LINGER_SECONDS)
            self._wake.clear()
            while self._waiting:
                await self._send_batch()
            self._is_empty.set()

    async def _send_batch(self) -> None:
        lines: list[Line] = []
        places: dict[str, str] = {}
        size = count = 0
        for parcel in self._waiting:
            if count and (len(lines) + len(parcel.lines) > BATCH_LINES or size + parcel.bytes > BATCH_BYTES):
                break
            lines += parcel.lines
            size += parcel.bytes
            count += 1
            if parcel.place is not None:
                places[parcel.source] = parcel.place
        now = int(time())
        places = {source: f"{now} {place}" for source, place in places.items()}
        last_id = await self._append(lines, places)
        self._places |= places
        if lines:
            await self._remind(int(last_id.rpartition("-")[2]))
        for _ in range(count):
            self._waiting.popleft()
        self._bytes -= size
        if self._bytes <= MOST_BYTES:
            self._has_room.set()

    async def _remind(self, number: int) -> None:
        """A Redis that counts from the beginning has lost the places of all that has said nothing since, too."""
        if number < self._number:
            await self._append([], self._places)
        self._number = number

    async def _append(self, lines: list[Line], places: Mapping[str, str]) -> str:
        """The same batch until Redis has it: by its number it is taken once. Returns the id of its last line."""
        pause, longest = RETRY_SECONDS
        began = monotonic()
        while True:
            try:
                last_id = await asyncio.to_thread(self._appender.append, lines, places)
            except RedisError as error:
                if not self.is_away:
                    log.warning("Redis is away", action="collector.redis_away", error=str(error))
                self.is_away = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
            else:
                if self.is_away:
                    log.info("Redis is back", action="collector.redis_back", seconds=round(monotonic() - began, 1))
                self.is_away = False
                return last_id


def load_places(url: str) -> dict[str, str]:
    """Of all sources, of other collectors too: source to place. Raises RedisError."""
    redis = connect(url)
    try:
        places, old = {}, []
        for source, value in redis.hgetall(POSITIONS).items():
            written, _, place = _text(value).partition(" ")
            if written.isdecimal() and int(written) > time() - KEEP_SECONDS:
                places[_text(source)] = place
            else:
                old.append(source)
        if old:
            redis.hdel(POSITIONS, *old)
        return places
    finally:
        redis.close()


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
