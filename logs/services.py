"""What a gateway does in the background, and what its routes ask."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from core.background import Background
from core.settings import Settings
from core.telemetry.log_stream.appender import Appender
from core.telemetry.log_stream.record import timestamp
from core.telemetry.log_stream.redis_stream import LEADER
from logs.alerts.alerting import Alerting
from logs.alerts.rules import read_rules
from logs.archive.archiver import Archiver
from logs.archive.opening import open_archive
from logs.live.bulletins import Bulletins
from logs.live.history import History
from logs.live.source import LineSource
from logs.stream.hearing import Hearing
from logs.stream.housekeeping import Housekeeping
from logs.stream.leader import Leader
from logs.stream.leadership import LeaderAppender, Leadership
from logs.stream.line import StreamLine
from logs.stream.names import Names
from logs.stream.notices import LossNotices
from logs.stream.others import OthersLines
from logs.stream.reader import Reader
from logs.stream.redis_client import RedisClient
from logs.stream.redis_lines import RedisLines
from logs.stream.redis_state import RedisState
from logs.stream.tail import Tail

LOOK_SECONDS = 1.0
MEMORY_SECONDS = 5.0
AGAIN_SECONDS = 1.0


class Services:
    def __init__(self, settings: Settings) -> None:
        url = settings.redis_url.get_secret_value()
        self.redis = RedisClient.of(url)
        lines = self._lines = RedisLines(self.redis)
        self.closing = asyncio.Event()
        self.tail = Tail()
        self.state = RedisState()
        self.bulletins = Bulletins()
        self.archive = open_archive(settings)
        self.source = LineSource(lines, self.tail, self.archive)
        self.history = History(lines, self.archive)
        self.names = Names()
        self.leadership = Leadership(self.redis)
        self.hearing = Hearing(self.redis, self.leadership.token)
        self.others = OthersLines(self.redis, self.hearing)
        self.losses = LossNotices(self.others, self.hearing)
        self.reader = Reader(lines, self.tail, self.state, on_lines=self._on_lines, on_lost=self.losses.on_lost)
        self.archiver = Archiver(self.archive, self.source) if self.archive else None
        self.alerting = (
            Alerting(self.redis, self.source, read_rules(settings.log_alerts)) if settings.log_alerts else None
        )
        duties = (self.others, self.losses, Housekeeping(self.redis), self.archiver, self.alerting)
        self.leader = Leader(
            self.leadership,
            self.reader,
            [duty.lead for duty in duties if duty is not None],
            lambda token: LeaderAppender(Appender(url, settings.log_stream_lines, token)),
        )
        self._background = Background()
        self._measured = -MEMORY_SECONDS
        self._is_led = False
        """Some gateway leads: what others publish is kept."""

    def start(self) -> None:
        for name, work in (("log reader", self.reader.run), ("others' lines", self._hear), ("leader", self.leader.run)):
            self._background.repeat(name, work, pause_seconds=AGAIN_SECONDS)  # they end by a bug of ours alone
        self._background.repeat("look at Redis", self._look, pause_seconds=LOOK_SECONDS)
        self._background.repeat("names", self._read_names, pause_seconds=3600)

    async def stop(self) -> None:
        await self._background.stop()
        with suppress(RedisError):
            await self.hearing.end()
        await self.redis.aclose()
        if self.archive:
            await asyncio.to_thread(self.archive.close)

    def _on_lines(self, lines: Sequence[StreamLine]) -> None:
        self.others.saw(lines)
        self.losses.saw(lines)
        self.names.saw(lines)

    async def _hear(self) -> None:
        """Only once it is known where reading begins: what is heard is to be seen in the stream."""
        await self.tail.begun.wait()
        await self.others.hear()

    async def _look(self) -> None:
        """What Redis says of itself, and that this gateway hears."""
        with suppress(RedisError):
            await self.hearing.go_on()
            await self._measure()
            self._is_led = bool(await self.redis.exists(LEADER))
            alerts = await self.alerting.firing() if self.alerting else []
            if self.bulletins.put("alerts", {"firing": alerts}):
                self.tail.tell()
        state = self.state
        news = self.bulletins.put(
            "status",
            {
                "redis": state.word,
                "since": timestamp(state.since),
                "why": state.why,
                "memory_bytes": state.memory_bytes,
                "most_memory_bytes": state.most_memory_bytes,
                "lines": state.lines,
                "archive": self.archive_state,
                "archiver": self._is_led,
            },
        )
        if news:
            self.tail.tell()

    async def _measure(self) -> None:
        """Now and then: whoever watches need not be told of each byte."""
        if monotonic() - self._measured < MEMORY_SECONDS:
            return
        memory, lines = await self.redis.info("memory"), await self._lines.count()
        self.state.memory_bytes = int(memory["used_memory"])
        self.state.most_memory_bytes = int(memory.get("maxmemory", 0))
        self.state.lines = lines
        self._measured = monotonic()

    @property
    def archive_state(self) -> str:
        """none, ok, or what is wrong with it; another gateway may be the one that writes it."""
        if self.archiver is None:
            return "none"
        return self.archiver.trouble or "ok"

    async def _read_names(self) -> None:
        if self.archive is not None:
            with suppress(SQLAlchemyError, OSError):
                self.names.add(*await asyncio.to_thread(self.archive.names))
