"""The log dashboard under load and faults, and Redis' pub/sub straight to Server-Sent Events beside it.

    python -m bench.logs --minutes 5 --rate 10000

Three producers say numbered lines to a Redis with its file of appends, and a collector reads a file of such. One
viewer reads them, and comes back whenever its stream breaks off. Meanwhile the gateway and the collector are killed and
started again, and Redis is restarted. Every line is counted, at the viewer and in the archive. Exit status 1 if the
dashboard has lost or doubled one.
"""

import argparse
import asyncio
import signal
import sys

from bench.logs.measuring import Outcome, measure


def table(outcomes: list[Outcome], minutes: float, rate: int) -> str:
    """Markdown."""
    rows = [
        f"{rate:,} lines a second for {minutes:g} minutes; gateway and collector killed, Redis restarted.",
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
