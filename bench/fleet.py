"""What more workers and more API processes on one machine cost or bring."""

import msgspec

from bench.contenders import BROKER, pids_of, queue_of, start_mock
from bench.figures import Figures
from bench.ladder import WARM_UP, load_of, tell
from bench.processes import Processes
from bench.rung import Rung
from bench.stack import Stack
from bench.tables import table_of

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
    cpu = ("CPU per token, µs: workers", "API", "RabbitMQ")
    head = ("workers", "API processes", *cpu, "token delay p50, ms", "p99", "memory, MB: workers", "API")
    return table_of(head, map(_row, fleets), words=0)


def _row(fleet: Fleet) -> list[object]:
    figures = fleet.figures
    cpu = [f"{_sum(figures.cpu_us, name):.0f}" for name in ("worker", "api", BROKER)]
    memory = [f"{_sum(figures.memory_mb, name):.0f}" for name in ("worker", "api")]
    return [fleet.workers, fleet.apis, *cpu, f"{figures.delay_p50:.1f}", f"{figures.delay_p99:.1f}", *memory]


def _sum(by_process: dict[str, float], kind: str) -> float:
    """Of all processes of a kind: `worker`, `worker 2`, ..."""
    return sum(value for name, value in by_process.items() if name.split()[0] == kind)
