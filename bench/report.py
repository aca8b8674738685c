"""The bench's results as people read them."""

import math
from collections.abc import Iterator

from bench import agents, broker, crowd, fleet, providers, viewers, watching
from bench.figures import FAULTS
from bench.results import Results
from bench.rung import DRIVER
from bench.stats import median


def report(results: Results) -> str:
    """Markdown."""
    sections = ["; ".join(f"{name} {value}" for name, value in results.machine.items())]
    if results.runs:
        sections += [results.load, *("\n".join(table(results)) for table in LADDER_TABLES)]
    if results.viewers:
        sections.append(viewers.table(results.viewers))
    if results.providers:
        sections.append(providers.table(results.providers))
    if results.watching:
        sections.append(watching.table(results.watching))
    if results.agents is not None:
        sections.append(agents.table(results.agents))
    if results.crowd is not None:
        sections.append(crowd.table(results.crowd))
    if results.fleets:
        sections.append(fleet.table(results.fleets))
    if results.broker is not None:
        sections.append(broker.table(results.broker))
    return "\n\n".join(sections)


def _held_table(results: Results) -> Iterator[str]:
    yield "| contender | sessions held: median | each run |"
    yield "| --- | ---: | --- |"
    for mode in results.modes:
        held = results.held(mode)
        yield f"| {mode} | {median(held):g} | {', '.join(map(str, held))} |"


def _times_table(results: Results) -> Iterator[str]:
    yield (
        "| sessions | contender | added to first token, ms | token delay p50, ms | p99 | max | stalls "
        "| tokens | lost | doubled | out of order | unfinished |"
    )
    yield "| ---: | --- " + "| ---: " * 10 + "|"
    for sessions, mode, figures in results.rows():
        added = results.added_first_token(mode, sessions)
        counts = " | ".join(str(getattr(figures, fault)) for fault in FAULTS)
        yield (
            f"| {sessions} | {mode} | {_number(added)} | {_number(figures.delay_p50)} | {_number(figures.delay_p99)} "
            f"| {_number(figures.delay_max)} | {figures.stalls} | {figures.tokens} | {counts} |"
        )


def _cpu_table(results: Results) -> Iterator[str]:
    yield "| sessions | contender | CPU per token, µs | of these | driver and model beside it, µs |"
    yield "| ---: | --- | ---: | --- | ---: |"
    for sessions, mode, figures in results.rows():
        split = ", ".join(f"{name} {figures.cpu_us[name]:.0f}" for name in results.processes[mode])
        beside = figures.cpu_of([DRIVER, "mock"])
        yield f"| {sessions} | {mode} | {results.cpu(mode, sessions):.0f} | {split} | {beside:.0f} |"


def _memory_table(results: Results) -> Iterator[str]:
    yield "| sessions | contender | memory, MB |"
    yield "| ---: | --- | --- |"
    for sessions, mode, figures in results.rows():
        if results.processes[mode]:
            split = ", ".join(f"{name} {figures.memory_mb[name]:.0f}" for name in results.processes[mode])
            yield f"| {sessions} | {mode} | {split} |"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


LADDER_TABLES = (_held_table, _times_table, _cpu_table, _memory_table)
