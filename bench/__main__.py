"""What the queue costs, beside what people would use instead.

    ./run.sh bench                                              # everything: more than an hour
    ./run.sh bench ladder --runs 1 --modes mock,queue --sessions 1,40,100
    ./run.sh bench --check                                      # exit status 1 if a target is missed

Every token carries the time it was sent, so its delay is exact. Figures are medians over the runs; only max is the
worst of all. The parts: `ladder` (contenders side by side), `viewers` (many of one answer), `providers` (their wires
side by side), `watching` (a page over all streams), `agents` (conversations over WebSockets), `crowd` (a thousand slow
answers and two thousand idle viewers), `fleet` (more workers and API processes), `broker` (what RabbitMQ alone can
carry).
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from bench import agents, broker, crowd, fleet, ladder, providers, viewers, watching
from bench.contenders import MODES, contenders, pids_of
from bench.machine import machine
from bench.mock_upstream import raise_open_files_limit
from bench.processes import Processes, StartError
from bench.report import report
from bench.results import Results
from bench.stack import broker_url, check
from bench.targets import missed

PARTS = ("ladder", "viewers", "providers", "watching", "agents", "crowd", "fleet", "broker")
SESSIONS = (1, 10, 20, 30, 40, 60, 80, 100, 130, 160, 200, 240, 300)


async def main() -> int:
    options = _parser().parse_args()
    parts = options.parts or PARTS
    if options.tls and not set(options.modes) <= {"direct", "queue"}:
        raise StartError("--tls is for --modes direct,queue")
    raise_open_files_limit()
    _stop_in_order_on_sigterm()
    await check(broker_url())
    results = Results(machine=await machine())
    if "ladder" in parts:
        await _climb(results, options)
    if "viewers" in parts:
        results.viewers = await viewers.measure()
    if "providers" in parts:
        results.providers = await providers.measure(options.runs)
    if "watching" in parts:
        results.watching = await watching.measure(options.runs)
    if "agents" in parts:
        results.agents = await agents.measure(options.runs)
    if "crowd" in parts:
        results.crowd = await crowd.measure()
    if "fleet" in parts:
        results.fleets = await fleet.measure()
    if "broker" in parts:
        results.broker = await broker.measure()
    print(report(results))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    if options.plot and results.runs:
        from bench.plot import plot  # matplotlib takes a second to load

        plot(results, options.plot)
    misses = missed(results) if options.check else []
    for line in misses:
        print(f"missed: {line}")
    return 1 if misses else 0


async def _climb(results: Results, options: argparse.Namespace) -> None:
    loads = [ladder.load_of(sessions, options.tokens) for sessions in options.sessions]
    models = sorted({load.model for load in [ladder.WARM_UP, *loads]})
    with Processes() as processes:
        async with contenders(processes, options.modes, models, is_encrypted=options.tls) as ready:
            results.load = ladder.in_words(options.runs, options.tokens)
            results.processes = {contender.mode: contender.processes for contender in ready}
            results.runs = await ladder.climb(ready, loads, options.runs, pids_of(processes))


def _stop_in_order_on_sigterm() -> None:
    """By default the bench would end at once and leave what it started behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them without")
    parser.add_argument("--runs", type=int, default=5, help="of ladder, providers, watching and agents (%(default)s)")
    parser.add_argument("--modes", type=_modes, default=MODES, help="with commas, of: " + ",".join(MODES))
    parser.add_argument("--sessions", type=_rungs, default=SESSIONS, help="the ladder's rungs, with commas")
    parser.add_argument("--tls", action="store_true", help="the ladder's model behind TLS: for --modes direct,queue")
    parser.add_argument("--tokens", type=int, default=ladder.TOKENS, help="of an answer (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write FILE.png and FILE.svg, too")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    return parser


def _modes(text: str) -> tuple[str, ...]:
    modes = tuple(text.split(","))
    if unknown := set(modes) - set(MODES):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(MODES)}")
    return modes


def _rungs(text: str) -> tuple[int, ...]:
    rungs = tuple(sorted({int(number) for number in text.split(",")}))
    if rungs[0] < 1:
        raise argparse.ArgumentTypeError("a rung has at least 1 session")
    return rungs


if __name__ == "__main__":
    try:
        sys.exit(uvloop.run(main()))
    except StartError as error:
        sys.exit(str(error))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("stopped")
