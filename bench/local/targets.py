"""What the local engine is to hold."""

from collections.abc import Iterator

from bench.local.keys import LongRun
from bench.local.results import Results
from bench.local.stream import Stream
from bench.local.throughput import GENERATE, OURS, Throughput, ratio

TOGETHER = 5.0
"""Sixteen sessions' tokens per second to one's."""
BESIDE_GENERATE = 0.85
"""One session's to transformers' own, as long and of the same dtype."""
APART_FROM_COMPUTED_ANEW = 0.05
"""Perplexity of `sink` over that of a window that is computed anew."""
WORSE_WITHOUT_SINKS = 1.5
"""Perplexity of `window` to that of `sink`; of a model that has windows of its own, only more than 1."""
SPEEDUP = 8.0
"""Over a window that is computed anew."""
FLAT = 1.05
"""The last tenth's time per token to the first's."""
KEYS_APART = 1e-5


def missed(results: Results) -> list[str]:
    """A line for each target that was measured and is missed."""
    lines: list[str] = []
    if results.throughput is not None:
        lines += _throughput(results.throughput)
    if results.stream is not None:
        lines += _stream(results.stream, has_own_windows="gemma" in results.model)
    if results.keys is not None:
        lines += _keys(results.keys)
    return lines


def _throughput(rates: list[Throughput]) -> Iterator[str]:
    for dtype in dict.fromkeys(each.dtype for each in rates if each.what == OURS):
        together = ratio(rates, dtype, (OURS, 16), (OURS, 1))
        if together < TOGETHER:
            yield f"{dtype}: 16 sessions have {together:.2f} times the tokens per second of one, not {TOGETHER}"
        beside = ratio(rates, dtype, (OURS, 1), (GENERATE, 1))
        if beside < BESIDE_GENERATE:
            yield f"{dtype}: one session has {beside:.2f} of the tokens per second of generate, not {BESIDE_GENERATE}"


def _stream(stream: Stream, *, has_own_windows: bool) -> Iterator[str]:
    sink, window = (stream.perplexity(mode, at_sampled=True) for mode in ("sink", "window"))
    if sink > (1 + APART_FROM_COMPUTED_ANEW) * stream.recomputed_perplexity:
        yield f"perplexity {sink:.2f} with sinks, {stream.recomputed_perplexity:.2f} computed anew"
    if window < sink * (1.0 if has_own_windows else WORSE_WITHOUT_SINKS):
        yield f"perplexity {window:.2f} without sinks, {sink:.2f} with them"
    if len(set(stream.bytes.values())) != 1:
        yield "the cache grows"
    first, last = stream.tenths_ms
    if last > FLAT * first:
        yield f"a token takes {last:.1f} ms in the end, {first:.1f} in the beginning"
    if stream.speedup < SPEEDUP:
        yield f"to compute the window anew takes only {stream.speedup:.1f} times as long"


def _keys(run: LongRun) -> Iterator[str]:
    if run.apart > KEYS_APART:
        yield f"keys are {run.apart:.1e} from ones computed anew"
    if len(set(run.bytes)) != 1:
        yield "the cache of the tiny model grows"
    if run.tenths_ms[1] > FLAT * run.tenths_ms[0]:
        yield f"a token of the tiny model takes {run.tenths_ms[1]:.2f} ms in the end, {run.tenths_ms[0]:.2f} at first"
