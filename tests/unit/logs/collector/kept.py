"""What the collector would send to Redis, kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from redis.exceptions import ConnectionError as RedisIsAway

from core.background import Background
from core.telemetry.log_stream.appender import Appender, Line
from logs.collector.sender import Sender
from tests.patience import PATIENCE_SECONDS


class KeptLines(Appender):
    """In place of Redis; `is_away`: as if that were."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.places: dict[str, str] = {}
        self.is_away = False
        self.tries = 0

    def append(self, lines: Sequence[Line], positions: Mapping[str, str] | None = None) -> str:
        self.tries += 1
        if self.is_away:
            raise RedisIsAway
        self.lines += [(line.channel, msgspec.json.decode(line.record)) for line in lines]
        self.places |= {source: place.partition(" ")[2] for source, place in (positions or {}).items()}
        return "1-1"

    def messages(self, service: str | None = None) -> list[str]:
        return [line["message"] for _, line in self.lines if service in (None, line["service"])]

    def numbers(self) -> list[int]:
        """Of lines that end in a number, in order of arrival."""
        return [int(message.rpartition(" ")[2]) for message in self.messages() if message.startswith("line ")]


@asynccontextmanager
async def sending(kept: KeptLines) -> AsyncIterator[Sender]:
    background, sender = Background(), Sender(kept)
    background.run("sender", sender.run())
    try:
        yield sender
        kept.is_away = False
        await sender.drain(PATIENCE_SECONDS)
    finally:
        await background.stop()


async def eventually(is_true: Callable[[], Any]) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
