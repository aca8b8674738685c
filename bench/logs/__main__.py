"""The log dashboard under load and faults, and Redis' pub/sub straight to Server-Sent Events beside it.

    python -m bench.logs --minutes 5 --rate 10000

Three producers say numbered lines to a Redis with its file of appends. One viewer reads them, and comes back whenever
its stream breaks off. Meanwhile the gateway is killed and started again, and Redis is restarted. Every line is counted,
at the viewer and in the archive. Exit status 1 if the dashboard has lost or doubled one.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic

import httpx
import msgspec
import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bench.logs.reading import Reading
from bench.processes import Processes, StartError, free_port
from bench.stats import quantile
from core.telemetry.log_stream.redis_stream import OPTIONS

PRODUCERS = 3
SETTLE_SECONDS = 60.0
"""After the last line, for what is still on its way."""
LOOK_SECONDS = 0.2
DOWN_SECONDS = 1.0


class Outcome(msgspec.Struct):
    what: str
    said: int
    lost: int
    doubled: int
    archived: int | None
    delay_p50_ms: float
    delay_p99_ms: float
    cpu_seconds: float
    """Of the gateway."""
    redis_cpu_seconds: float
    memory_mb: float
    """The most."""


class Gateway:
    """Started again after each kill, as Compose or Kubernetes would."""

    def __init__(self, processes: Processes, app: str, settings: dict[str, str]) -> None:
        self._processes = processes
        self._app = app
        self._settings = settings
        self._port = free_port()
        self._number = 0
        self._before = 0.0
        self.url = f"http://127.0.0.1:{self._port}"
        self.cpu_seconds = 0.0
        self.memory_mb = 0.0

    async def start(self) -> None:
        self._number += 1
        self._name = f"gateway-{self._number}"
        command = ("uvicorn", self._app, "--port", str(self._port), "--no-access-log")
        self._processes.run_module(self._name, *command, env=self._settings)
        self._process = psutil.Process(self._processes.pids[self._name])
        await self._processes.until(self._answers, "the gateway")

    async def kill(self) -> None:
        self.look()
        self._before = self.cpu_seconds
        self._process.kill()
        await asyncio.to_thread(self._processes.stop, [self._name])

    def look(self) -> None:
        """At what it takes."""
        times = self._process.cpu_times()
        self.cpu_seconds = self._before + times.user + times.system
        self.memory_mb = max(self.memory_mb, self._process.memory_info().rss / 2**20)

    async def _answers(self) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.url}/health")).is_success
            except httpx.TransportError:
                return False


class RedisNode:
    """With its file of appends."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._port = free_port()
        self._before = 0.0
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.cpu_seconds = 0.0

    async def start(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise StartError("there is no redis-server")
        self._processes.run("redis", program, "--port", str(self._port), "--save", "", "--appendonly", "yes")
        self._process = psutil.Process(self._processes.pids["redis"])
        await self._processes.until(self._answers, "Redis")

    async def stop(self) -> None:
        self.look()
        self._before = self.cpu_seconds
        await asyncio.to_thread(self._processes.stop, ["redis"])

    def look(self) -> None:
        times = self._process.cpu_times()
        self.cpu_seconds = self._before + times.user + times.system

    async def _answers(self) -> bool:
        async with Redis.from_url(self.url, **OPTIONS) as redis:
            try:
                return bool(await redis.ping())
            except RedisError:
                return False


async def measure(what: str, app: str, minutes: float, rate: int) -> Outcome:
    seconds = 60 * minutes
    each = int(rate * seconds / PRODUCERS)
    with Processes() as processes:
        redis = RedisNode(processes)
        await redis.start()
        archive = processes.home / "archive"
        settings = {"REDIS_URL": redis.url, "LOG_ARCHIVE": str(archive)}
        gateway = Gateway(processes, app, settings)
        await gateway.start()
        reading = Reading(f"{gateway.url}/stream")
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(reading.read())
            while not reading.is_connected:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
            producers = [
                await _start_producer(processes, f"producer-{number}", rate / PRODUCERS, each, settings)
                for number in range(PRODUCERS)
            ]
            faults = group.create_task(_break(gateway, redis, seconds))
            while any(producer.is_running() and producer.status() != psutil.STATUS_ZOMBIE for producer in producers):
                with suppress(psutil.NoSuchProcess):
                    gateway.look()
                    redis.look()
                await asyncio.sleep(LOOK_SECONDS)
            await faults
            await _settle(reading, each * PRODUCERS)
            gateway.look()
            redis.look()
            reader.cancel()
        return Outcome(
            what,
            each * PRODUCERS,
            each * PRODUCERS - len(reading.lines),
            sum(reading.lines.values()) - len(reading.lines),
            _archived(archive),
            1000 * quantile(reading.delays, 0.5),
            1000 * quantile(reading.delays, 0.99),
            gateway.cpu_seconds,
            redis.cpu_seconds,
            gateway.memory_mb,
        )


async def _start_producer(
    processes: Processes, name: str, rate: float, lines: int, settings: dict[str, str]
) -> psutil.Process:
    processes.run_module(name, "logs.producer", "--rate", f"{rate:.1f}", "--lines", str(lines), env=settings)
    return psutil.Process(processes.pids[name])


async def _break(gateway: Gateway, redis: RedisNode, seconds: float) -> None:
    """At a quarter and at half of the time."""
    await asyncio.sleep(seconds / 4)
    await gateway.kill()
    await asyncio.sleep(DOWN_SECONDS)
    await gateway.start()
    await asyncio.sleep(seconds / 4)
    await redis.stop()
    await asyncio.sleep(DOWN_SECONDS)
    await redis.start()


async def _settle(reading: Reading, said: int) -> None:
    deadline = monotonic() + SETTLE_SECONDS
    seen = -1
    while len(reading.lines) < said and len(reading.lines) != seen and monotonic() < deadline:
        seen = len(reading.lines)
        await asyncio.sleep(5)


def _archived(folder: Path) -> int | None:
    """Different lines of the producers in the archive. Raises StartError if one is there twice."""
    lines: Counter[tuple[str, int]] = Counter()
    for file in folder.glob("*.db"):
        with sqlite3.connect(file) as connection:
            for (record,) in connection.execute("SELECT record FROM lines"):
                fields = json.loads(record).get("fields", {})
                if "producer" in fields:
                    lines[fields["producer"], fields["number"]] += 1
    doubled = sum(lines.values()) - len(lines)
    if doubled:
        raise StartError(f"{doubled} lines are in the archive twice")
    return len(lines) or None


def table(outcomes: list[Outcome], minutes: float, rate: int) -> str:
    """Markdown."""
    rows = [
        f"{rate:,} lines a second for {minutes:g} minutes; gateway killed, Redis restarted.",
        "",
        "| | lines | lost | doubled | archived | delay p50, ms | p99 | CPU per line, µs | Redis' | memory, MB |",
        "| --- |" + " ---: |" * 9,
    ]
    for each in outcomes:
        cpu, redis = (1e6 * seconds / each.said for seconds in (each.cpu_seconds, each.redis_cpu_seconds))
        archived = f"{each.archived:,}" if each.archived is not None else "-"
        rows.append(
            f"| {each.what} | {each.said:,} | {each.lost:,} | {each.doubled:,} | {archived} | {each.delay_p50_ms:.0f} "
            f"| {each.delay_p99_ms:.0f} | {cpu:.0f} | {redis:.0f} | {each.memory_mb:.0f} |"
        )
    return "\n".join(rows)


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.logs", description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=int, default=10_000, help="lines a second, of all producers")
    parser.add_argument("--only", choices=["dashboard", "plain"])
    options = parser.parse_args()
    outcomes = []
    for what, app in (("dashboard", "logs.app:app"), ("plain", "bench.logs.plain:app")):
        if options.only in (None, what):
            outcomes.append(await measure(what, app, options.minutes, options.rate))
    print(table(outcomes, options.minutes, options.rate))
    return int(any(each.lost or each.doubled for each in outcomes if each.what == "dashboard"))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(asyncio.run(main()))
