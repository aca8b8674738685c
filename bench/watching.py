"""What it costs that somebody watches: a hundred streams with their own readers, and a page over all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.contenders import Contender, pids_of, queue_of, start_mock
from bench.ladder import RATE, WARM_UP, tell
from bench.processes import Processes
from bench.rung import Load, Rung
from bench.stack import Stack
from bench.stats import median
from bench.tables import table_of

SESSIONS, TURNS, TOKENS = 100, 2, 250
LOAD = Load(SESSIONS, TURNS, TOKENS, RATE)
NOBODY, PAGE, AFTERWARDS = "nobody", "one page", "nobody, afterwards"
SETTLE_SECONDS = 1.0
"""Until the page is told of turns, or its process knows that it is gone."""


class WatchCost(msgspec.Struct):
    watched_by: str
    cpu_us: float
    """CPU microseconds of API, worker and RabbitMQ per token: the median of the runs."""
    ratio: float
    """To the same without a watcher in the same run: the median."""
    events: int
    """That the page got in all runs."""
    lost: int
    """Tokens and answers of the streams' own readers, of all runs."""


async def measure(runs: int) -> list[WatchCost]:
    with Processes() as processes:
        async with Stack(processes, await start_mock(processes)) as stack:
            contender, pids = queue_of(stack), pids_of(processes)
            await Rung(contender, WARM_UP, pids).run()
            costs: dict[str, list[float]] = {name: [] for name in (NOBODY, PAGE, AFTERWARDS)}
            lost, events = dict.fromkeys(costs, 0), dict.fromkeys(costs, 0)
            for number in range(1, runs + 1):
                for name in costs:
                    async with _page(contender, is_open=name == PAGE) as page:
                        figures = await Rung(contender, LOAD, pids).run()
                    tell(f"run {number}, watched by {name}", contender, figures)
                    costs[name].append(figures.cpu_of(contender.processes))
                    lost[name] += figures.lost + figures.doubled + figures.unfinished
                    events[name] += page.events
    usual = costs[NOBODY]
    return [
        WatchCost(
            name, median(each), median([a / b for a, b in zip(each, usual, strict=True)]), events[name], lost[name]
        )
        for name, each in costs.items()
    ]


class _Page:
    events = 0


@asynccontextmanager
async def _page(contender: Contender, *, is_open: bool) -> AsyncIterator[_Page]:
    """Everything, over a WebSocket, as `/streams` has it."""
    page = _Page()
    if not is_open:
        await asyncio.sleep(SETTLE_SECONDS)
        yield page
        return
    url = contender.urls[0].replace("http", "ws", 1)
    async with connect(f"{url}/ws/events", compression=None, max_size=None) as socket:
        reading = asyncio.create_task(_count(socket, page))
        await asyncio.sleep(SETTLE_SECONDS)
        yield page
        reading.cancel()


async def _count(socket: ClientConnection, page: _Page) -> None:
    with suppress(ConnectionClosed):
        async for _ in socket:
            page.events += 1


def table(costs: list[WatchCost]) -> str:
    by = f"{SESSIONS} streams, watched by"
    head = (by, "CPU per token, µs", "times that of nobody", "events", "lost or doubled")
    return table_of(head, [(c.watched_by, f"{c.cpu_us:.0f}", f"{c.ratio:.2f}", c.events, c.lost) for c in costs])
