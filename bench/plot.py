"""The ladder as pictures: what one session feels, and what a token costs, against the number of sessions."""

import math
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.figures import HELD_P99_MS
from bench.results import Results

STYLES = {
    "queue": ("#0b6e4f", "o", "Hopstream, queue"),
    "direct": ("#1f77b4", "s", "Hopstream, direct"),
    "litellm": ("#c1440e", "^", "LiteLLM proxy"),
    "naive": ("#8a6d3b", "v", "naive queue"),
    "mock": ("#999999", "x", "the model alone"),
}


def plot(results: Results, path: Path) -> None:
    """Write `path` as PNG and as SVG."""
    mpl.rcParams["svg.hashsalt"] = "hopstream"  # the same figures make the same file
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    delay, cpu, first = figure.subplots(1, 3)
    _draw(delay, results, lambda mode, n: _figure(results, mode, n, "delay_p99"))
    delay.set(title="token delay, p99", ylabel="ms")
    delay.axhline(HELD_P99_MS, color="#444444", linewidth=0.8, linestyle=":")
    _draw(cpu, results, lambda mode, n: math.nan if mode == "mock" else results.cpu(mode, n))
    cpu.set(title="CPU per token, all its processes", ylabel="µs")
    _draw(first, results, lambda mode, n: math.nan if mode == "mock" else results.added_first_token(mode, n))
    first.set(title="added to the time to first token", ylabel="ms")
    for axes in (delay, cpu, first):
        axes.set(xlabel="sessions of 50 tok/s", yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.25)
    figure.legend(*delay.get_legend_handles_labels(), loc="outside lower center", ncols=len(STYLES), frameon=False)
    figure.savefig(path.with_suffix(".png"), dpi=110)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _draw(axes: Axes, results: Results, value: Callable[[str, int], float]) -> None:
    for mode in results.modes:
        color, marker, label = STYLES[mode]
        axes.plot(
            results.rungs,
            [value(mode, n) for n in results.rungs],
            color=color,
            marker=marker,
            markersize=4,
            label=label,
        )


def _figure(results: Results, mode: str, sessions: int, name: str) -> float:
    figures = results.figures(mode, sessions)
    return math.nan if figures is None else float(getattr(figures, name))
