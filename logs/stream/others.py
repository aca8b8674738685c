"""What others publish (`redis-cli publish logs "Test message"`) is put into the stream, too, by the leader.

Every gateway hears all of it, and keeps each message until it sees it in the stream: so nothing is lost with a leader.
It hears by one connection and sees by another: where it sees a line first, it passes over the message that comes then.
"""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from time import time
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from core.telemetry.log_stream.appender import Line
from core.telemetry.log_stream.record import LINES, encode_record
from logs.records.escapes import clean
from logs.records.parsing import parse_line
from logs.stream.hearing import BEATS, Beat, Hearing
from logs.stream.leadership import LeaderAppender
from logs.stream.line import StreamLine
from logs.stream.marked import Marked
from logs.stream.redis_client import answered

log = structlog.get_logger()

OWN = b'{"hopstream_id":'
"""So begins what our own writers publish: it is in the stream already."""
MOST_WAITING = 100_000
MOST_BYTES = 32 * 1024 * 1024
MOST_MESSAGE_BYTES = 1024 * 1024
BATCH_LINES = 500
BATCH_BYTES = 1024 * 1024
"""Redis needs as much memory beside what it keeps."""
CONFIRMATIONS = 3
"""Of the two channels and the pattern."""
SILENT_SECONDS = 5.0
"""Longer than between two beats: then the connection is dead, whatever it looks like."""
RETRY_SECONDS = 0.25
PAUSE_SECONDS = 0.02
"""Between two looks at what waits."""
SERVICE = "redis"
"""Of a message that does not say where it is from."""


class Message(NamedTuple):
    channel: str
    data: bytes
    mark: str
    at: float


class OthersLines:
    """`hear` is a task's; `lead` is another one's, for as long as this gateway leads."""

    def __init__(self, redis: Redis, hearing: Hearing) -> None:
        self._redis = redis
        self._hearing = hearing
        self._waiting: Marked[Message] = Marked()
        """Heard, and not seen in the stream yet."""
        self._bytes = 0
        """Of these."""
        self._seen_first: Marked[int] = Marked()
        """The numbers of lines that were seen, and not heard yet."""
        self._heard = 0
        self._lines = 0
        """In the stream at the last beat."""
        self.is_hearing = False
        self._heard_once = asyncio.Event()
        self._dropped = 0
        """Because too many waited for a leader, or for Redis."""

    async def hear(self) -> None:
        while True:
            pubsub: Any = self._redis.pubsub()
            try:
                async with answered():
                    await pubsub.subscribe(BEATS, LINES)
                    await pubsub.psubscribe(f"{LINES}:*")  # not logs*, which would have each line of `logs` twice
                await self._hear(pubsub)
            except RedisError as error:
                log.info("not hearing what others publish", action="others.deaf", error=str(error))
            finally:
                self.is_hearing = False
                await pubsub.aclose()
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, pubsub: Any) -> None:
        """Raises RedisError when the connection is gone: redis-py would make a new one by itself, and say nothing of
        what was published meanwhile."""
        confirmed = 0
        self._hearing.begins()
        while True:
            message = await pubsub.get_message(timeout=SILENT_SECONDS)
            if message is None:  # not even a beat; redis-py's own health check never looks for the answer
                raise NoConnection(f"nothing was heard for {SILENT_SECONDS:g} s")
            if message["type"] not in ("message", "pmessage"):
                confirmed += 1
                if confirmed == CONFIRMATIONS:
                    await self._hearing.beat()
                if confirmed > CONFIRMATIONS:
                    raise NoConnection("the connection was made anew")
            elif message["channel"] == BEATS.encode():
                try:
                    beat = Beat.parse(message["data"])
                except ValueError:
                    continue
                await self._hearing.on_beat(beat, self._heard)
                self._forget_missed(beat)
                self.is_hearing = True
                self._heard_once.set()
            else:
                self._take(clean(str(message["channel"], "utf-8", "replace")), message["data"])

    def _take(self, channel: str, data: bytes) -> None:
        if data.startswith(OWN):
            return
        self._heard += 1
        mark = mark_of(channel, data)
        if self._seen_first.take(mark) is not None:
            return
        self._waiting.add(mark, Message(channel, data, mark, time()))
        self._bytes += len(data)
        while len(self._waiting) > MOST_WAITING or (self._bytes > MOST_BYTES and len(self._waiting) > 1):
            self._bytes -= len(self._waiting.take_oldest().data)
            self._dropped += 1

    def saw(self, lines: Sequence[StreamLine]) -> None:
        """These are in the stream."""
        for line in lines:
            if not line.mark:
                continue
            if (message := self._waiting.take(line.mark)) is not None:
                self._bytes -= len(message.data)
            else:
                self._seen_first.add(line.mark, line.id.number)
        while len(self._seen_first) > MOST_WAITING:
            self._seen_first.take_oldest()

    def _forget_missed(self, beat: Beat) -> None:
        """What was in the stream at this beat was published before it: what has not been heard of it was missed."""
        if beat.lines < self._lines:
            self._seen_first.clear()  # Redis has begun to count anew
        self._lines = beat.lines
        while (number := self._seen_first.oldest()) is not None and number <= beat.lines:
            self._seen_first.take_oldest()

    def take_dropped(self) -> int:
        """Since it was last asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    async def lead(self, appender: LeaderAppender) -> None:
        """Appends whatever waits, until this task is cancelled. What is in the stream by now has been seen.

        Raises NotLeader."""
        await self._heard_once.wait()  # until then what is kept is counted as others' work
        appended = 0
        while True:
            batch, appended = self._batch_after(appended)
            if batch:
                await appender.append(batch)
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    def _batch_after(self, appended: int) -> tuple[list[Line], int]:
        """And the number of its last message."""
        batch: list[Line] = []
        size = 0
        for number, message in self._waiting.after(appended):
            batch.append(_line(message))
            appended, size = number, size + len(message.data)
            if len(batch) == BATCH_LINES or size > BATCH_BYTES:
                break
        return batch, appended


def mark_of(channel: str, data: bytes) -> str:
    """By which a message is known in the stream; equal ones have the same."""
    return blake2b(channel.encode() + b"\0" + data, digest_size=8).hexdigest()


def _line(message: Message) -> Line:
    text = message.data[:MOST_MESSAGE_BYTES].decode("utf-8", "replace")
    record = parse_line(text, SERVICE, arrived=message.at)
    record.cut += max(0, len(message.data) - MOST_MESSAGE_BYTES)
    return Line(message.channel, encode_record(record), message.mark)
