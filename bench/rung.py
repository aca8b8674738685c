"""One rung of the ladder: so many sessions at the same time with one contender, and what was measured."""

import asyncio
import os
import secrets
import sys
from collections.abc import Iterator

import msgspec

from bench.clients import Question, Reading
from bench.contenders import Contender
from bench.figures import Figures
from bench.http_client import HttpClient, HttpError
from bench.usage import Usage, Used

DRIVER = "driver"
GRACE_SECONDS = 10
"""Past its planned length, after which an answer counts as unfinished."""


class Load(msgspec.Struct, frozen=True):
    """Sessions start spread over one answer's length, and each asks `turns` times, so that between the last start
    and the first end all are running: that is when CPU time and memory are looked at."""

    sessions: int
    turns: int
    tokens: int
    """Of one answer."""
    rate: float
    """Tokens per second of one session."""
    asked: str | None = None
    """A model of MODELS_FILE that says as much."""

    @property
    def answer_seconds(self) -> float:
        return self.tokens / self.rate

    @property
    def model(self) -> str:
        """What the mock upstream is asked for."""
        return self.asked or f"mock?text=stamped&tokens={self.tokens}&rate={self.rate:g}"


class Rung:
    def __init__(self, contender: Contender, load: Load, pids: dict[str, int]) -> None:
        """`pids`: whose use is looked at, by name."""
        self._contender = contender
        self._load = load
        self._usage = Usage(pids | {DRIVER: os.getpid()})
        self._readings: list[Reading] = []

    async def run(self) -> Figures:
        load = self._load
        sessions = asyncio.gather(*(self._session(number) for number in range(load.sessions)))
        await asyncio.sleep(load.answer_seconds)
        before, seen = self._usage.now(), self._received()
        await asyncio.sleep(load.answer_seconds * (load.turns - 1))
        after, tokens = self._usage.now(), self._received() - seen
        await sessions
        figures = Figures.of_readings(self._readings, load.tokens)
        figures.cpu_us = dict(_cpu_us(before, after, tokens))
        figures.memory_mb = {name: used.memory_mb for name, used in after.items()}
        return figures

    def _received(self) -> int:
        return sum(reading.ledger.received for reading in self._readings)

    async def _session(self, number: int) -> None:
        load, urls = self._load, self._contender.urls
        await asyncio.sleep(load.answer_seconds * number / load.sessions)
        http = HttpClient(urls[number % len(urls)])
        question = Question(load.model, f"bench-{secrets.token_hex(8)}")
        for _ in range(load.turns):
            await self._turn(http, question)
        http.close()

    async def _turn(self, http: HttpClient, question: Question) -> None:
        reading = None
        try:
            async with asyncio.timeout(self._load.answer_seconds + GRACE_SECONDS):
                await http.connect()
                reading = Reading()
                self._readings.append(reading)
                await self._contender.client(http, question, reading)
        except (HttpError, OSError) as error:  # a timeout is an OSError, too
            if reading is None:
                self._readings.append(reading := Reading())
            reading.error = f"{type(error).__name__}: {error}"
        if reading.error:
            print(f"{self._contender.mode}, {self._load.sessions} sessions: {reading.error}", file=sys.stderr)


def _cpu_us(before: dict[str, Used], after: dict[str, Used], tokens: int) -> Iterator[tuple[str, float]]:
    for name, used in after.items():
        yield name, (used.cpu_seconds - before[name].cpu_seconds) * 1e6 / tokens if tokens else float("nan")
