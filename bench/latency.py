"""What the queue costs one reader: time to first token and token delay, beside direct mode and the model itself.

    python -m bench.latency                             # starts mock upstream, API and worker itself
    python -m bench.latency --check                     # exit status 1 if a target is missed
    python -m bench.latency --api http://127.0.0.1:8007 --mock http://127.0.0.1:9000

With --api it measures a running stack, whose OPENAI_BASE_URL must be the mock upstream's; --mock adds that one by
itself. Every token carries the time it was sent, so its delay is exact. The modes take turns, round by round, so
that what else the machine does hits all alike. Figures are medians over the rounds; only max is the worst of all.
"""

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from bench.clients import CLIENTS, Reading
from bench.report import Figures, missed_targets, table
from bench.stack import Stack, StackError

# An idle connection is used again for no longer than this: uvicorn closes it after 5 s, and a POST that meets the
# close fails.
KEEP_ALIVE_SECONDS = 2
WARM_UP_TOKENS = 5  # one unmeasured answer per mode: imports, connections, caches
MIN_CONCURRENCY = 50  # of the worker, as most people would run it
GRACE_SECONDS = 30  # past its planned length, after which an answer counts as incomplete


class Load(msgspec.Struct, frozen=True):
    sessions: int
    turns: int
    tokens: int
    rate: float

    @property
    def answer_seconds(self) -> float:
        return self.tokens / self.rate if self.rate else 0

    def model(self, tokens: int) -> str:
        return f"mock?text=stamped&tokens={tokens}&rate={self.rate:g}"


async def main() -> int:
    options = _parser().parse_args()
    _stop_in_order_on_sigterm()
    load = Load(options.sessions, options.turns, options.tokens, options.rate)
    async with AsyncExitStack() as running:
        urls = {"mock": options.mock} if options.mock else {}
        if options.api:
            urls |= {"direct": options.api, "queue": options.api}
        if options.start or not urls:
            stack = await running.enter_async_context(Stack(concurrency=max(load.sessions, MIN_CONCURRENCY)))
            urls = {"mock": stack.mock, "direct": stack.api, "queue": stack.api}
        rounds = await measure(load, urls)
    figures = {mode: Figures.of_all(of_mode) for mode, of_mode in rounds.items()}
    print(f"{load.sessions} session(s) at {load.rate:g} tok/s, n = {load.turns} rounds of {load.tokens} tokens")
    print(table(figures))
    missed = missed_targets(figures)
    if options.json:
        report = {"load": load, "figures": figures, "rounds": rounds, "missed": missed}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed and options.check else 0


async def measure(load: Load, urls: dict[str, str]) -> dict[str, list[Figures]]:
    """Measure every mode at its URL, in turns."""
    rounds: dict[str, list[Figures]] = {mode: [] for mode in urls}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as http:
        for mode, url in urls.items():
            await _read(http, mode, url, load.model(WARM_UP_TOKENS), GRACE_SECONDS)
        for _ in range(load.turns):
            for mode, url in urls.items():
                rounds[mode].append(await _round(http, mode, url, load))
    return rounds


async def _round(http: aiohttp.ClientSession, mode: str, url: str, load: Load) -> Figures:
    """All sessions once, their starts spread over one answer's length."""

    async def session(number: int) -> Reading:
        await asyncio.sleep(load.answer_seconds * number / load.sessions)
        return await _read(http, mode, url, load.model(load.tokens), load.answer_seconds + GRACE_SECONDS)

    return Figures.of_round(await asyncio.gather(*map(session, range(load.sessions))), load.tokens)


async def _read(http: aiohttp.ClientSession, mode: str, url: str, model: str, limit: float) -> Reading:
    reading = Reading()
    try:
        async with asyncio.timeout(limit):
            await CLIENTS[mode](http, url, model, reading)
    except (aiohttp.ClientError, TimeoutError) as error:
        reading.error = f"{type(error).__name__}: {error}"
    if reading.error:
        print(f"{mode}: {reading.error}", file=sys.stderr)
    return reading


def _stop_in_order_on_sigterm() -> None:
    """By default the bench would end at once and leave what it started behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "bench.latency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--start", action="store_true", help="start everything: the default without --api or --mock")
    where.add_argument("--api", help="URL of a running API")
    parser.add_argument("--mock", help="URL of a running mock upstream")
    parser.add_argument("--sessions", type=_positive, default=1, help="at the same time (%(default)s)")
    parser.add_argument("--turns", type=_positive, default=5, help="rounds (%(default)s)")
    parser.add_argument("--tokens", type=_positive, default=250, help="of one answer (%(default)s)")
    parser.add_argument("--rate", type=float, default=50, help="tokens per second of one session (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _run() -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


if __name__ == "__main__":
    try:
        sys.exit(_run())
    except StackError as error:
        sys.exit(str(error))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("stopped")
