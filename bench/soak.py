"""Steady load for a long time: does any process grow?

    python -m bench.soak --minutes 60 --json docs/soak.json

It starts mock upstream, API and worker itself, on the RabbitMQ of RABBIT_MQ. People ask again and again, each time in
a new session, most in queue mode and some directly. Memory is resident memory in MB, looked at every few seconds, also
RabbitMQ's where it runs on this machine. A process is flat if the median of its last quarter is no more than 5 % or
10 MB above that of the first quarter, counted after the warm-up. Exit status 1 if one is not, or if a token is lost.
"""

import argparse
import asyncio
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from time import monotonic

import msgspec
import uvloop

from bench.clients import Question, Reading, read_direct, read_queue
from bench.contenders import MOCK, contenders, pids_of
from bench.http_client import HttpClient, HttpError
from bench.processes import Processes
from bench.stats import median
from bench.usage import Usage

CLIENTS = {"direct": read_direct, "queue": read_queue}
MODES = tuple(CLIENTS)

WARM_UP_SECONDS = 300
"""Until thread pools, connection pools and caches have their size; a tenth of the run where that is less."""
LOOK_SECONDS = 5
GROWTH_SHARE, GROWTH_MB = 0.05, 10
DIRECT_EVERY = 5
ANSWER_GRACE_SECONDS = 30


class Soak:
    def __init__(self, people: int, tokens: int, rate: float) -> None:
        self.people = people
        self.tokens = tokens
        self.rate = rate
        self.counts: Counter[str] = Counter()
        self.memory: dict[str, list[float]] = defaultdict(list)

    async def run(self, url: str, usage: Usage, seconds: float) -> None:
        end = monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self.people):
                group.create_task(self._person(url, number, end))
            await asyncio.sleep(min(WARM_UP_SECONDS, seconds / 10))
            while monotonic() < end:
                for name, used in usage.now().items():
                    self.memory[name].append(used.memory_mb)
                await asyncio.sleep(LOOK_SECONDS)

    async def _person(self, url: str, number: int, end: float) -> None:
        length = self.tokens / self.rate
        http = HttpClient(url)
        await asyncio.sleep(length * number / self.people)
        turn = number
        while monotonic() < end:
            mode = "direct" if turn % DIRECT_EVERY == 0 else "queue"
            turn += 1
            reading = Reading()
            model = f"mock?text=stamped&tokens={self.tokens}&rate={self.rate:g}"
            try:
                async with asyncio.timeout(length + ANSWER_GRACE_SECONDS):
                    await CLIENTS[mode](http, Question(model, f"soak-{token_hex(8)}"), reading)
            except (HttpError, OSError) as error:
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
    with Processes() as processes:
        async with contenders(processes, MODES, []) as (_, queue):
            pids = {name: pid for name, pid in pids_of(processes).items() if name != MOCK}
            await soak.run(queue.urls[0], Usage(pids), options.minutes * 60)
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
