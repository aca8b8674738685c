"""Chaos: load, faults at random, and the books. The report is a table on the terminal, and JSON.

    ./run.sh chaos 10
    python -m tests.faults.chaos --minutes 10 --node amqp://localhost/ rabbitmqctl

Exit status 1 if a promise was broken.
"""

import argparse
import asyncio
import json
import random
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import uvloop

from bench.stats import median
from tests.faults.books import Books, summary
from tests.faults.broker import Broker, Node
from tests.faults.faults import FAULTS, Fault, Struck
from tests.faults.load import Answer, Load
from tests.faults.system import Level, System
from tests.postgres import Postgres, find_binaries
from tests.stack import ROOT

ANSWER = Answer(tokens=150, rate=3.0)
GRACE_SECONDS = 3
QUIET_SECONDS = (4.0, 8.0)
"""Between two faults, so that each one's recovery can be told from the next one's."""
WARM_UP_SECONDS = ANSWER.seconds + 5
"""Everybody has an answer running by then."""
COUNT_SECONDS = 0.5
SETTLE_SECONDS = 150.0
"""Logs that dead workers left are swept once a minute."""
SPARE_THREADS = 20
"""A process has a thread for each connection to SQLite, of which it opens up to so many as it needs them."""
MEMORY_GROWTH_MB = 60
"""What a process may have grown by: Python gives little memory back."""
RECOVERY_SECONDS = 5.0
PROMPT = ("worker", "API")
"""Faults of these must be over within that time."""


class Chaos:
    def __init__(self, system: System, seed: int, answer: Answer = ANSWER) -> None:
        self.books = Books()
        self.struck: list[Struck] = []
        self.slow: list[str] = []
        """Streams to look for in the logs."""
        self.running: list[int] = []
        """How many turns were accepted and had not ended, now and then."""
        self._system = system
        self._random = random.Random(seed)
        self._seed = seed
        self._answer = answer

    async def load(self, people: int, breaking: Coroutine[Any, Any, None]) -> None:
        """Let people ask until `breaking` is over; then wait until every turn has ended."""
        load = Load(self._system.apis, self._answer, self.books, self._on_move, self._seed)
        running = asyncio.create_task(load.run(people))
        striking = asyncio.create_task(breaking)
        counting = asyncio.create_task(self._count_running())
        await asyncio.wait([running, striking], return_when=asyncio.FIRST_COMPLETED)
        counting.cancel()
        load.finish()
        await striking
        await running

    async def strike_at_random(self, faults: tuple[type[Fault], ...], seconds: float) -> None:
        """In a new random order each round, so that every kind has its turn."""
        end = monotonic() + seconds
        queue: list[type[Fault]] = []
        while monotonic() < end:
            await asyncio.sleep(min(self._random.uniform(*QUIET_SECONDS), max(end - monotonic(), 0)))
            if not faults or monotonic() >= end:
                continue
            queue = queue or self._random.sample(faults, len(faults))
            await self.strike(queue.pop()())

    async def strike(self, fault: Fault) -> None:
        struck = Struck(fault)
        self.struck.append(struck)
        print(f"{fault.name} ...", file=sys.stderr, flush=True)
        await fault.strike(self._system)
        struck.healed_at = monotonic()

    async def _count_running(self) -> None:
        """From the moment when everybody has begun."""
        await asyncio.sleep(self._answer.seconds)
        while True:
            self.running.append(self.books.running)
            await asyncio.sleep(COUNT_SECONDS)

    def _on_move(self, session: str, moved_at: float, now: float) -> None:
        for struck in reversed(self.struck):
            recovery = struck.recovery(moved_at, now)
            if recovery is not None:
                self.books.recovery[struck.fault.name].append(recovery)
                if recovery > RECOVERY_SECONDS:
                    self.slow.append(f"{struck.fault.name}: {session}, {recovery:.1f} s until {datetime.now(UTC):%T}")
                return


async def run(options: argparse.Namespace, system: System) -> dict[str, Any]:
    await system.start(options.apis, 1, options.people)
    warm_up = Chaos(system, options.seed)
    # All on one worker: later on, none has more.
    await warm_up.load(options.people, asyncio.sleep(WARM_UP_SECONDS))
    await system.add_workers(options.workers - 1)
    before = await settle(system, None)
    system.release = ROOT
    chaos = Chaos(system, options.seed)
    began = monotonic()
    faults = tuple(fault for fault in FAULTS if fault.possible(system) and options.only in fault.name)
    await chaos.load(options.people, chaos.strike_at_random(faults, options.minutes * 60))
    seconds = monotonic() - began
    after = await settle(system, before)
    books = chaos.books
    return {
        "seed": options.seed,
        "seconds": round(seconds),
        "people": options.people,
        "tokens_per_second": ANSWER.rate,
        "tokens_per_turn": ANSWER.tokens,
        "running": {"least": min(chaos.running), "median": median(chaos.running)},
        "faults": dict(Counter(struck.fault.name for struck in chaos.struck)),
        "books": books.as_json(),
        "slow": chaos.slow,
        "before": before._asdict(),
        "after": after._asdict(),
        "violations": warm_up.books.violations
        + books.violations
        + slow(books)
        + leaks(before, after)
        + system.misbehaved(),
    }


async def settle(system: System, wanted: Level | None) -> Level:
    """The level once all has calmed down: no session log is left, and if `wanted` is given, that level is reached."""
    deadline = monotonic() + SETTLE_SECONDS
    while True:
        level = await system.level()
        is_calm = level.session_logs == 0 and (wanted is None or not leaks(wanted, level))
        if is_calm or monotonic() > deadline:
            return level
        await asyncio.sleep(2)


def leaks(before: Level, after: Level) -> list[str]:
    found = [
        f"{getattr(after, name)} {name.replace('_', ' ')} left, {getattr(before, name)} before"
        for name, spare in (("queues", 0), ("session_logs", 0), ("connections", 0), ("threads", SPARE_THREADS))
        if getattr(after, name) > getattr(before, name) + spare
    ]
    if after.memory_mb > before.memory_mb + MEMORY_GROWTH_MB:
        found.append(f"a process of {after.memory_mb} MB, {before.memory_mb} before")
    return found


def slow(books: Books) -> list[str]:
    found = []
    for name, times in books.recovery.items():
        p99 = summary(times)["p99"]
        if name.startswith(PROMPT) and p99 > RECOVERY_SECONDS:
            found.append(f"{name}: recovery p99 {p99} s")
    return found


def table(report: dict[str, Any]) -> str:
    books = report["books"]
    failed = ", ".join(f"{count} {code}" for code, count in books["failed"].items()) or "0"
    lines = [
        f"{report['people']} people, {report['tokens_per_second']:g} tok/s each, for {report['seconds']} s; "
        f"turns running: at least {report['running']['least']}, median {report['running']['median']}; "
        f"seed {report['seed']}",
        "",
        "| turns | |",
        "| --- | ---: |",
        f"| accepted | {books['accepted']} |",
        f"| completed | {books['completed']} |",
        f"| cancelled | {books['cancelled']} |",
        f"| failed | {failed} |",
        f"| hung | {books['hung']} |",
        f"| tokens read | {books['tokens']} |",
        f"| lost | {books['lost']} |",
        f"| doubled | {books['doubled']} |",
        f"| out of order | {books['out_of_order']} |",
        f"| refused (asked again later) | {sum(books['refused'].values())} |",
        f"| reconnects | {books['reconnects']} |",
        "",
        "| fault | times | streams it silenced | recovery p50, s | p99, s | max, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, times in sorted(report["faults"].items()):
        found = books["recovery_seconds"].get(name)
        figures = f"{found['streams']} | {found['p50']} | {found['p99']} | {found['max']}" if found else "0 | - | - | -"
        lines.append(f"| {name} | {times} | {figures} |")
    lines += ["", "| level | before | after |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {before} | {report['after'][name]} |" for name, before in report["before"].items()]
    verdict = [f"broken: {violation}" for violation in report["violations"]] or ["every promise kept"]
    return "\n".join([*lines, "", *verdict])


def main() -> int:
    options = _parser().parse_args()
    home = Path(tempfile.mkdtemp(prefix="hopstream-chaos-"))
    nodes = [Node(*node) for node in options.node]
    with ExitStack() as closing:
        broker = closing.enter_context(Broker(nodes))
        database = options.database or closing.enter_context(Postgres(postgres_binaries())).new_database()
        system = closing.enter_context(
            System(
                home, broker, database=database, grace=GRACE_SECONDS, seed=options.seed, release=options.before or ROOT
            )
        )
        report = uvloop.run(run(options, system))
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if report["violations"]:
        print(f"logs of all processes: {home}", file=sys.stderr)
        return 1
    shutil.rmtree(home)
    return 0


def postgres_binaries() -> Path:
    """PostgreSQL, because these are the processes of several machines: in SQLite, one frozen in mid-write stops all."""
    if binaries := find_binaries():
        return binaries
    sys.exit("PostgreSQL is not installed: install it, or name a database with --database postgresql://...")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "tests.faults.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--people", type=int, default=150, help="who ask at the same time (%(default)s)")
    parser.add_argument("--apis", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument(
        "--node",
        action="append",
        nargs="+",
        required=True,
        metavar=("URL", "COMMAND"),
        help="a RabbitMQ node that may be broken, the command that is its rabbitmqctl, and, if it may be killed, one "
        "that starts it again; once for each node of a cluster",
    )
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="strike only with faults that have these in their name"
    )
    parser.add_argument(
        "--before",
        type=lambda path: Path(path).resolve(),
        default=ROOT,
        metavar="DIR",
        help="a checkout of another release: the system begins with its processes, and ours join and replace them",
    )
    parser.add_argument("--database", metavar="URL", help="an empty one, instead of a PostgreSQL of our own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    return parser


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
