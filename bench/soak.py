"""Steady load for a long time: does any process grow?

    python -m bench.soak --minutes 60 --json docs/soak.json

It starts mock upstream, API and worker itself, on the RabbitMQ of RABBIT_MQ. People ask again and again, each time in
a new session, most in queue mode and some directly. Memory is resident memory in MB, looked at every few seconds, also
RabbitMQ's where it runs on this machine. A process is flat if the median of its last quarter is no more than 5 % or
10 MB above that of the first quarter, counted after the warm-up. Exit status 1 if one is not, or if a token is lost.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import aiohttp
import msgspec
import psutil
import uvloop

from bench.clients import CLIENTS, Reading
from bench.stack import DEFAULT_BROKER, Stack
from bench.stats import median

WARM_UP_SECONDS = 300
"""Until thread pools, connection pools and caches have their size; a tenth of the run where that is less."""
LOOK_SECONDS = 5
GROWTH_SHARE, GROWTH_MB = 0.05, 10
DIRECT_EVERY = 5
ANSWER_GRACE_SECONDS = 30
AMQP_PORT = 5672


class Soak:
    def __init__(self, people: int, tokens: int, rate: float) -> None:
        self.people = people
        self.tokens = tokens
        self.rate = rate
        self.counts: Counter[str] = Counter()
        self.memory: dict[str, list[float]] = defaultdict(list)

    async def run(self, stack: Stack, seconds: float) -> None:
        processes = {name: psutil.Process(pid) for name, pid in (stack.pids | _broker()).items() if name != "mock"}
        end = monotonic() + seconds
        timeout = aiohttp.ClientTimeout(None)
        client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)
        async with client as http, asyncio.TaskGroup() as group:
            for number in range(self.people):
                group.create_task(self._person(http, stack, number, end))
            await asyncio.sleep(min(WARM_UP_SECONDS, seconds / 10))
            while monotonic() < end:
                for name, process in processes.items():
                    self.memory[name].append(process.memory_info().rss / 2**20)
                await asyncio.sleep(LOOK_SECONDS)

    async def _person(self, http: aiohttp.ClientSession, stack: Stack, number: int, end: float) -> None:
        length = self.tokens / self.rate
        await asyncio.sleep(length * number / self.people)
        turn = number
        while monotonic() < end:
            mode = "direct" if turn % DIRECT_EVERY == 0 else "queue"
            turn += 1
            reading = Reading()
            model = f"mock?text=stamped&tokens={self.tokens}&rate={self.rate:g}"
            try:
                async with asyncio.timeout(length + ANSWER_GRACE_SECONDS):
                    await CLIENTS[mode](http, stack.api, model, reading)
            except (aiohttp.ClientError, TimeoutError) as error:
                self.counts[f"failed: {type(error).__name__}"] += 1
            self.counts[f"{mode} answers"] += 1
            self.counts["lost"] += reading.ledger.lost(self.tokens)
            self.counts["doubled"] += reading.ledger.doubled


class Growth(msgspec.Struct):
    """Medians in MB."""

    process: str
    first_quarter: float
    last_quarter: float
    most: float

    @classmethod
    def of(cls, process: str, samples: list[float]) -> "Growth":
        quarter = max(len(samples) // 4, 1)
        return cls(process, median(samples[:quarter]), median(samples[-quarter:]), max(samples))

    @property
    def is_flat(self) -> bool:
        grown = self.last_quarter - self.first_quarter
        return grown <= max(GROWTH_MB, self.first_quarter * GROWTH_SHARE)


def _broker() -> dict[str, int]:
    """The process that listens on RabbitMQ's port, if it is ours to see."""
    broker = urlsplit(os.environ.get("RABBIT_MQ", "").strip() or DEFAULT_BROKER)
    if broker.hostname not in ("localhost", "127.0.0.1", "::1"):
        return {}
    with suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            port = getattr(connection.laddr, "port", None)
            if connection.status == psutil.CONN_LISTEN and port == (broker.port or AMQP_PORT) and connection.pid:
                return {"rabbitmq": connection.pid}
    return {}


def table(soak: Soak, growths: list[Growth], minutes: float) -> str:
    lines = [
        f"{soak.people} people, answers of {soak.tokens} tokens at {soak.rate:g} tok/s, {minutes:g} minutes: "
        + ", ".join(f"{count} {name}" for name, count in sorted(soak.counts.items())),
        "",
        "| process | first quarter, MB | last quarter, MB | most, MB | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for growth in growths:
        verdict = "flat" if growth.is_flat else "grows"
        figures = f"{growth.first_quarter:.0f} | {growth.last_quarter:.0f} | {growth.most:.0f}"
        lines.append(f"| {growth.process} | {figures} | {verdict} |")
    return "\n".join(lines)


async def main() -> int:
    options = _parser().parse_args()
    soak = Soak(options.people, options.tokens, options.rate)
    async with Stack(concurrency=options.people * 2) as stack:
        await soak.run(stack, options.minutes * 60)
    growths = [Growth.of(name, samples) for name, samples in soak.memory.items()]
    print(table(soak, growths, options.minutes))
    if options.json:
        report = {"counts": soak.counts, "growth": growths, "memory_mb": soak.memory, "every_seconds": LOOK_SECONDS}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    failed = [name for name in soak.counts if name.startswith("failed")]
    is_whole = not failed and not soak.counts["lost"] and not soak.counts["doubled"]
    return 0 if is_whole and all(growth.is_flat for growth in growths) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--people", type=int, default=20, help="who ask at the same time (%(default)s)")
    parser.add_argument("--tokens", type=int, default=100, help="of an answer (%(default)s)")
    parser.add_argument("--rate", type=float, default=20, help="tokens per second (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, too")
    return parser


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(uvloop.run(main()))
