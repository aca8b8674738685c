"""What a token costs a worker by each provider's wire, beside OpenAI's."""

from pathlib import Path

import msgspec

from bench.contenders import pids_of, queue_of, start_mock
from bench.ladder import RATE, WARM_UP, tell
from bench.processes import Processes
from bench.rung import Load, Rung
from bench.stack import Stack
from bench.stats import median
from bench.tables import table_of

PROVIDERS = ("openai", "anthropic", "gemini", "ollama")
SESSIONS, TURNS, TOKENS = 100, 2, 200
SCRIPT = f"mock?text=stamped&tokens={TOKENS}&rate={RATE}"
TABLE = """
[[model]]
name = "{provider}"
provider = "{provider}"
base_url = "{url}"
model = "{script}"
"""


class ProviderCost(msgspec.Struct):
    provider: str
    worker_us: float
    """CPU microseconds of the worker per token: the median of the runs."""
    ratio: float
    """To OpenAI's in the same run: the median."""
    lost: int
    """Tokens and answers, of all runs."""


async def measure(runs: int) -> list[ProviderCost]:
    with Processes() as processes:
        mock = await start_mock(processes)
        models = Path(processes.home) / "models.toml"
        urls = {provider: f"{mock}/v1" if provider == "openai" else mock for provider in PROVIDERS}
        tables = [TABLE.format(provider=name, url=url, script=SCRIPT) for name, url in urls.items()]
        models.write_text("".join(tables))
        async with Stack(processes, mock, trust={"MODELS_FILE": str(models)}) as stack:
            contender, pids = queue_of(stack), pids_of(processes)
            load = Load(SESSIONS, TURNS, TOKENS, RATE)
            await Rung(contender, msgspec.structs.replace(WARM_UP, asked="openai"), pids).run()
            costs: dict[str, list[float]] = {provider: [] for provider in PROVIDERS}
            lost = dict.fromkeys(PROVIDERS, 0)
            for number in range(1, runs + 1):
                for provider in PROVIDERS:
                    asked = msgspec.structs.replace(load, asked=provider)
                    figures = await Rung(contender, asked, pids).run()
                    tell(f"run {number}, {provider}", contender, figures)
                    costs[provider].append(figures.cpu_us["worker"])
                    lost[provider] += figures.lost + figures.doubled + figures.unfinished
    usual = costs["openai"]
    return [
        ProviderCost(name, median(each), median([a / b for a, b in zip(each, usual, strict=True)]), lost[name])
        for name, each in costs.items()
    ]


def table(costs: list[ProviderCost]) -> str:
    head = ("provider", "worker, CPU per token, µs", "times OpenAI's", "lost, doubled or unfinished")
    return table_of(head, [(c.provider, f"{c.worker_us:.0f}", f"{c.ratio:.2f}", c.lost) for c in costs])
