"""A thousand slow answers and two thousand viewers to whom nothing comes, at once: what they weigh, and is all there?

The idle viewers wait for turns that are queued: every slot of the workers is taken by a slow answer. Once those have
ended, the queued ones are answered, and every viewer has to get its answer.
"""

import asyncio
import secrets
import sys
from collections.abc import Sequence

import msgspec

from bench.clients import Question, Reading, post_queue, watch
from bench.contenders import MOCK, pids_of, start_mock
from bench.http_client import HttpClient, HttpError
from bench.processes import Processes
from bench.stack import Stack
from bench.tables import table_of
from bench.usage import Usage

SESSIONS, IDLE = 1000, 2000
WORKERS = 2
RATE = 5.0
TOKENS = 1000
"""More than three minutes: until all have come and been measured."""
ARRIVALS_PER_SECOND = 25.0
"""Each of them attaches, and has a log and a binding made: 25 are a busy hour of a site with millions of users."""
SETTLE_SECONDS = 10.0


class Phase(msgspec.Struct):
    what: str
    memory_mb: dict[str, float]
    cpu_share: dict[str, float]
    """Of one core, over the last seconds."""


class Crowd(msgspec.Struct):
    phases: list[Phase]
    answers: int
    complete: int
    lost: int
    doubled: int


async def measure(sessions: int = SESSIONS, idle: int = IDLE) -> Crowd:
    with Processes() as processes:
        mock = await start_mock(processes)
        async with Stack(processes, mock, workers=WORKERS, concurrency=sessions // WORKERS) as stack:
            usage = Usage({name: pid for name, pid in pids_of(processes).items() if name != MOCK})
            slow = f"mock?text=stamped&tokens={TOKENS}&rate={RATE:g}"
            phases = [await _phase("nobody", usage)]
            running = await _arrive(stack.apis[0], slow, sessions)
            phases.append(await _phase(f"{sessions} answers of {RATE:g} tok/s", usage))
            waiting = await _arrive(stack.apis[0], "mock?text=stamped&tokens=1", idle)
            phases.append(await _phase(f"and {idle} idle viewers", usage))
            answers = [*[(await task, TOKENS) for task in running], *[(await task, 1) for task in waiting]]
    return Crowd(
        phases,
        len(answers),
        sum(reading.complete for reading, _ in answers),
        sum(reading.ledger.lost(tokens) for reading, tokens in answers),
        sum(reading.ledger.doubled for reading, _ in answers),
    )


async def _arrive(url: str, model: str, count: int) -> list[asyncio.Task[Reading]]:
    """One after the other; each asks, and then watches."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(_answer(url, model)))
        await asyncio.sleep(1 / ARRIVALS_PER_SECOND)
    return tasks


async def _answer(url: str, model: str) -> Reading:
    http, reading = HttpClient(url), Reading()
    try:
        path = await post_queue(http, Question(model, f"bench-{secrets.token_hex(8)}"))
        await watch(http, path, reading)
    except (HttpError, OSError) as error:
        print(f"crowd: {error}", file=sys.stderr)
    finally:
        http.close()
    return reading


async def _phase(what: str, usage: Usage) -> Phase:
    before = usage.now()
    await asyncio.sleep(SETTLE_SECONDS)
    after = usage.now()
    return Phase(
        what,
        {name: used.memory_mb for name, used in after.items()},
        {name: (used.cpu_seconds - before[name].cpu_seconds) / SETTLE_SECONDS for name, used in after.items()},
    )


def table(crowd: Crowd) -> str:
    names = list(crowd.phases[0].memory_mb)
    head = ["", *(f"{name}, MB" for name in names), *(f"{name}, core" for name in names)]
    rows = [_row(phase, names) for phase in crowd.phases]
    books = f"{crowd.answers} answers, {crowd.complete} complete, {crowd.lost} tokens lost, {crowd.doubled} doubled"
    return f"{table_of(head, rows)}\n\n{books}"


def _row(phase: Phase, names: Sequence[str]) -> list[str]:
    memory = [f"{phase.memory_mb[name]:.0f}" for name in names]
    cpu = [f"{phase.cpu_share[name]:.2f}" for name in names]
    return [phase.what, *memory, *cpu]
