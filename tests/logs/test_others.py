"""What others publish is heard by one connection and seen in the stream by another: which is first, nobody knows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from core.telemetry.log_stream.appender import Appender, Line
from core.telemetry.log_stream.redis_stream import COUNTERS
from logs.stream.hearing import Hearing
from logs.stream.leadership import LeaderAppender
from logs.stream.line import LineId, StreamLine
from logs.stream.others import OthersLines, mark_of
from logs.stream.redis_client import RedisClient
from tests.logs.viewing import line
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio


class Appended:
    """Stands for the appender of the leader: what it is given."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self._news = asyncio.Event()

    async def append(self, lines: Sequence[Line]) -> None:
        self.marks += [line.mark for line in lines]
        self._news.set()

    async def until(self, text: bytes) -> None:
        while mark_of("logs", text) not in self.marks:
            await self._news.wait()
            self._news.clear()


class Follower:
    """What one gateway knows of others' messages; its beats come when a test says so, and nobody else appends."""

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis
        self._client = RedisClient.of(redis.url)
        self._hearing = Hearing(self._client, "follower")
        self.others = OthersLines(self._client, self._hearing)
        self._tasks = [asyncio.create_task(self.others.hear())]

    async def beat(self) -> None:
        """Returns once it is heard."""
        self.others.is_hearing = False
        await self._hearing.beat()
        await self.hears()

    async def hears(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.others.is_hearing:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    def sees(self, *texts: bytes, first: int = 1) -> None:
        """Lines with these numbers are in the stream: another gateway has put them there."""
        lines = [
            StreamLine(LineId(1, number), "logs", b"{}", "another", number, mark_of("logs", text))
            for number, text in enumerate(texts, first)
        ]
        self.others.saw(lines)

    async def appends(self, last: bytes) -> list[str]:
        """The marks of what it appends as the leader, until this text, which is published now."""
        appended = Appended()
        self._redis.publish("logs", last)
        self._tasks.append(asyncio.create_task(self.others.lead(cast(LeaderAppender, appended))))
        await asyncio.wait_for(appended.until(last), PATIENCE_SECONDS)
        return appended.marks

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._client.aclose()


@pytest.fixture
async def follower(redis: RedisServer) -> AsyncIterator[Follower]:
    follower = Follower(redis)
    await follower.hears()
    yield follower
    await follower.close()


def marks(*texts: bytes) -> list[str]:
    return [mark_of("logs", text) for text in texts]


async def test_a_message_that_is_seen_before_it_is_heard_is_not_appended_again(
    follower: Follower, redis: RedisServer
) -> None:
    follower.sees(b"one", b"two")
    for text in (b"one", b"two", b"three"):
        redis.publish("logs", text)
    assert await follower.appends(b"end") == marks(b"three", b"end")


async def test_of_equal_messages_as_many_are_appended_as_were_not_seen(follower: Follower, redis: RedisServer) -> None:
    follower.sees(b"again")
    for _ in range(4):
        redis.publish("logs", b"again")
    await follower.beat()
    follower.sees(b"again", first=2)
    assert await follower.appends(b"end") == marks(b"again", b"again", b"end")


async def test_a_message_that_was_missed_does_not_count_for_a_later_one_that_is_equal(
    follower: Follower, redis: RedisServer, appender: Appender
) -> None:
    appender.append([line("some"), line("lines")])
    follower.sees(b"missed", first=2)
    follower.sees(b"not yet heard", first=3)
    await follower.beat()
    redis.publish("logs", b"not yet heard")
    redis.publish("logs", b"missed")
    assert await follower.appends(b"end") == marks(b"missed", b"end")


async def test_nothing_is_taken_for_missed_or_seen_by_the_numbers_of_a_redis_that_counts_anew(
    follower: Follower, redis: RedisServer, appender: Appender
) -> None:
    appender.append([line(f"{number}") for number in range(5)])
    await follower.beat()
    follower.sees(b"missed", first=6)
    with redis.client() as client:
        client.hset(COUNTERS, "number", 1)
    await follower.beat()
    redis.publish("logs", b"missed")
    assert await follower.appends(b"end") == marks(b"missed", b"end")
