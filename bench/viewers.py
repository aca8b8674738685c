"""What many viewers of one answer cost the API process that serves them."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence

import msgspec

from bench.clients import Question, Reading, post_queue, watch
from bench.contenders import pids_of, start_mock
from bench.http_client import HttpClient
from bench.processes import Processes
from bench.stack import Stack
from bench.stats import quantile
from bench.tables import table_of
from bench.usage import Usage

VIEWERS = (1, 10, 100)
TOKENS, RATE = 500, 50
ATTACH_SECONDS = 2.0
"""Until all are there and their feed is filled."""
MEASURE_SECONDS = 6.0

Follow = Callable[[str, str, str, Reading], Coroutine[None, None, None]]


class Audience(msgspec.Struct):
    viewers: int
    api_us: float
    """CPU microseconds of the API, per token and viewer."""
    delay_p99: float
    """Milliseconds."""
    lost: int


async def measure() -> list[Audience]:
    with Processes() as processes:
        async with Stack(processes, await start_mock(processes)) as stack:
            usage = Usage(pids_of(processes))
            await audience(stack.apis[0], usage, 2)
            return [await audience(stack.apis[0], usage, viewers) for viewers in VIEWERS]


async def watch_sse(url: str, _: str, path: str, reading: Reading) -> None:
    http = HttpClient(url)
    try:
        await watch(http, path, reading)
    finally:
        http.close()


async def audience(url: str, usage: Usage, viewers: int, follow: Follow = watch_sse) -> Audience:
    """`follow`: how each viewer reads the answer, by the API's URL, the session's id and the stream's path."""
    question = Question(f"mock?text=stamped&tokens={TOKENS}&rate={RATE}", f"bench-{secrets.token_hex(8)}")
    poster = HttpClient(url)
    path = await post_queue(poster, question)
    poster.close()
    readings = [Reading() for _ in range(viewers)]
    async with asyncio.TaskGroup() as group:
        for reading in readings:
            group.create_task(follow(url, question.session_id, path, reading))
        await asyncio.sleep(ATTACH_SECONDS)
        begin, seen = usage.now()["api"].cpu_seconds, _received(readings)
        await asyncio.sleep(MEASURE_SECONDS)
        spent, tokens = usage.now()["api"].cpu_seconds - begin, _received(readings) - seen
    delays = [delay / 1e6 for reading in readings for delay in reading.ledger.delays_ns[TOKENS // 2 :]]
    lost = sum(reading.ledger.lost(TOKENS) + reading.ledger.doubled for reading in readings)
    return Audience(viewers, spent * 1e6 / tokens, quantile(delays, 0.99), lost)


def _received(readings: Sequence[Reading]) -> int:
    return sum(reading.ledger.received for reading in readings)


def table(audiences: Sequence[Audience]) -> str:
    head = ("viewers of one answer", "API, CPU per token and viewer, µs", "token delay p99, ms", "lost")
    return table_of(head, [(a.viewers, f"{a.api_us:.1f}", f"{a.delay_p99:.1f}", a.lost) for a in audiences], words=0)
