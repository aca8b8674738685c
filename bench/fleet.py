"""What more workers and more API processes on one machine cost or bring."""

import msgspec

from bench.contenders import BROKER, pids_of, queue_of, start_mock
from bench.figures import Figures
from bench.ladder import WARM_UP, load_of, tell
from bench.processes import Processes
from bench.rung import Rung
from bench.stack import Stack

SESSIONS = 100
SHAPES = ((1, 1), (2, 1), (4, 1), (1, 2), (2, 2))
"""Workers and API processes."""


class Fleet(msgspec.Struct):
    workers: int
    apis: int
    figures: Figures


async def measure() -> list[Fleet]:
    fleets = []
    for workers, apis in SHAPES:
        with Processes() as processes:
            async with Stack(processes, await start_mock(processes), workers=workers, apis=apis) as stack:
                contender, pids = queue_of(stack), pids_of(processes)
                await Rung(contender, WARM_UP, pids).run()
                figures = await Rung(contender, load_of(SESSIONS), pids).run()
                tell(f"{workers} workers, {apis} API processes", contender, figures)
                fleets.append(Fleet(workers, apis, figures))
    return fleets


def table(fleets: list[Fleet]) -> str:
    lines = [
        "| workers | API processes | CPU per token, µs: workers | API | RabbitMQ | token delay p50, ms | p99 "
        "| memory, MB: workers | API |",
        "| ---: " * 9 + "|",
    ]
    for fleet in fleets:
        figures = fleet.figures
        cpu = " | ".join(f"{_sum(figures.cpu_us, name):.0f}" for name in ("worker", "api", BROKER))
        memory = " | ".join(f"{_sum(figures.memory_mb, name):.0f}" for name in ("worker", "api"))
        delays = f"{figures.delay_p50:.1f} | {figures.delay_p99:.1f}"
        lines.append(f"| {fleet.workers} | {fleet.apis} | {cpu} | {delays} | {memory} |")
    return "\n".join(lines)


def _sum(by_process: dict[str, float], kind: str) -> float:
    """Of all processes of a kind: `worker`, `worker 2`, ..."""
    return sum(value for name, value in by_process.items() if name.split()[0] == kind)
