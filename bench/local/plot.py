"""A long text as a picture: how well it is foretold by each mode of the cache, and what a token takes."""

from math import exp
from pathlib import Path
from statistics import mean, median

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.local.stream import Stream

PART_TOKENS = 250
"""That a point stands for."""
STYLES = {"full": ("#999999", "all"), "window": ("#c1440e", "window"), "sink": ("#0b6e4f", "window with sinks")}


def plot(stream: Stream, path: Path) -> None:
    """Write `path` as PNG and as SVG."""
    mpl.rcParams["svg.hashsalt"] = "hopstream"  # the same figures make the same file
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    perplexity, duration = figure.subplots(1, 2)
    for mode, (color, label) in STYLES.items():
        parts = _parts(stream.losses[mode][1:])
        perplexity.plot(_places(len(parts)), [exp(mean(part)) for part in parts], color=color, label=label)
    parts = _parts(stream.step_seconds)
    milliseconds = [1_000 * median(part) for part in parts]
    duration.plot(_places(len(parts)), milliseconds, color=STYLES["sink"][0])
    perplexity.set(title="perplexity", xlabel="tokens of the text", yscale="log")
    duration.set(title="window with sinks: time per token", xlabel="tokens of the text", ylabel="ms")
    duration.set_ylim(0, 1.5 * max(milliseconds))
    for axes in (perplexity, duration):
        axes.axvline(stream.context, color="#444444", linewidth=0.8, linestyle=":")
        axes.grid(alpha=0.25)
    perplexity.legend(frameon=False)
    figure.savefig(path.with_suffix(".png"), dpi=110)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _parts(values: list[float]) -> list[list[float]]:
    return [values[first : first + PART_TOKENS] for first in range(0, len(values), PART_TOKENS)]


def _places(parts: int) -> list[int]:
    return [PART_TOKENS * (number + 1) for number in range(parts)]
