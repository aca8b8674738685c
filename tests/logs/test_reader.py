"""The reader of the stream, and who waits for it."""

import asyncio
from typing import cast

import pytest

from logs.stream.line import LineId, StreamLine
from logs.stream.reader import Reader
from logs.stream.redis_lines import RedisLines
from logs.stream.redis_state import RedisState
from logs.stream.tail import Tail
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

NEWEST = LineId(1_800_000_000_000, 7)


class QuietLines:
    """A stream in which there is something, and nothing new."""

    async def last_id(self) -> LineId:
        return NEWEST

    async def wait_after(self, *_: object) -> list[StreamLine]:
        await asyncio.Event().wait()
        return []


async def test_who_leads_before_reading_has_begun_does_not_wait_for_another_line() -> None:
    tail = Tail()
    reader = Reader(
        cast(RedisLines, QuietLines()), tail, RedisState(), on_lines=lambda _: None, on_lost=lambda *_: None
    )
    leading = asyncio.create_task(reader.catch_up())
    await asyncio.sleep(0)
    reading = asyncio.create_task(reader.run())
    await asyncio.wait_for(leading, PATIENCE_SECONDS)
    assert tail.last_id == NEWEST
    reading.cancel()
    await asyncio.wait([reading])


async def test_news_that_come_before_a_wait_begins_are_not_missed() -> None:
    tail = Tail()
    waiting = asyncio.ensure_future(tail.news())
    tail.tell()
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)
