"""The log dashboard, or what stands in its place, under load and faults, and every line counted."""

import asyncio
import json
import sqlite3
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec
import psutil

from bench.logs.parts import Collector, Gateway, RedisNode, until
from bench.logs.reading import Reading
from bench.processes import Processes, StartError
from bench.stats import quantile

PRODUCERS = 3
COLLECTED_RATE = 100.0
"""Lines a second of a file beside what the producers say."""
SETTLE_SECONDS = 60.0
"""After the last line, for what is still on its way."""
STILL_SECONDS = 5.0
"""Without one more line nothing is on its way any more."""
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


async def measure(what: str, app: str, minutes: float, rate: int) -> Outcome:
    seconds = 60 * minutes
    each = int(rate * seconds / PRODUCERS)
    collected = int(COLLECTED_RATE * seconds)
    said = each * PRODUCERS + collected
    with Processes() as processes:
        redis = RedisNode(processes)
        await redis.start()
        archive = processes.home / "archive"
        settings = {"REDIS_URL": redis.url, "LOG_ARCHIVE": str(archive)}
        gateway, collector = Gateway(processes, app, settings), Collector(processes, settings)
        await gateway.start()
        collector.start()
        reading = Reading(f"{gateway.url}/stream")
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(reading.read())
            while not reading.is_connected:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
            for number in range(PRODUCERS):
                told = ("--rate", f"{rate / PRODUCERS:.1f}", "--lines", str(each))
                processes.run_module(f"producer-{number}", "logs.producer", *told, env=settings)
            faults = group.create_task(_break(gateway, redis, collector, seconds))
            await group.create_task(collector.write(COLLECTED_RATE, collected))
            await faults
            await _settle(reading, said, gateway, redis)
            reader.cancel()
            if reading.last_id:
                await until(lambda: gateway.has_archived(reading.last_id), "the archive")
        return Outcome(
            what,
            said,
            said - len(reading.lines),
            sum(reading.lines.values()) - len(reading.lines),
            _archived(archive),
            1000 * quantile(reading.delays, 0.5),
            1000 * quantile(reading.delays, 0.99),
            gateway.cpu_seconds,
            redis.cpu_seconds,
            gateway.memory_mb,
        )


async def _break(gateway: Gateway, redis: RedisNode, collector: Collector, seconds: float) -> None:
    """Each quarter of the time something else."""
    await asyncio.sleep(seconds / 4)
    await gateway.kill()
    await asyncio.sleep(DOWN_SECONDS)
    await gateway.start()
    await asyncio.sleep(seconds / 4)
    await collector.kill()
    await asyncio.sleep(DOWN_SECONDS)
    collector.start()
    await asyncio.sleep(seconds / 4)
    await redis.stop()
    await asyncio.sleep(DOWN_SECONDS)
    await redis.start()


async def _settle(reading: Reading, said: int, gateway: Gateway, redis: RedisNode) -> None:
    """Until all has come, or nothing comes any more."""
    deadline, seen, seen_at = monotonic() + SETTLE_SECONDS, -1, monotonic()
    while len(reading.lines) < said and monotonic() < deadline and monotonic() - seen_at < STILL_SECONDS:
        if len(reading.lines) != seen:
            seen, seen_at = len(reading.lines), monotonic()
        with suppress(psutil.NoSuchProcess):
            gateway.look()
            redis.look()
        await asyncio.sleep(LOOK_SECONDS)
    gateway.look()
    redis.look()


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
