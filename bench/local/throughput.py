"""Tokens per second against sessions: the engine, and what people would use instead."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import msgspec
import torch

from bench.local.given import Given
from bench.local.others import ContinuousBatching, Generate, llama_cpp
from bench.local.ours import ours
from bench.local.rates import rate_of
from bench.local.text import text_tokens
from bench.tables import table_of
from core.providers.local.engine.loading import Loaded, choose_device, load
from core.providers.local.settings import EngineSettings

SESSIONS = (1, 4, 16)
OURS, GENERATE, BATCHING, LLAMA = "Hopstream", "generate", "continuous batching", "llama.cpp"
Measure = Callable[[int], list[list[float]]]


class Throughput(msgspec.Struct):
    what: str
    dtype: str
    sessions: int
    tokens: float
    """Per second, of all sessions together: the median of the runs."""


def measure(given: Given) -> list[Throughput]:
    """Each session reads a prompt that leaves room for its answer."""
    results = []
    for dtype in given.dtypes:
        for what, contender in _contenders(given, dtype):
            results += [_median(what, dtype, sessions, contender, given.runs) for sessions in SESSIONS]
    if given.model.suffix == ".gguf":
        for sessions in SESSIONS:
            with llama_cpp(given.model, sessions, given.context, torch.get_num_threads()) as server:
                prompt = _prompt(_load(given, "float32"), given)
                contender = partial(server.measure, prompt, tokens=given.answer)
                results.append(_median(LLAMA, "as in the file", sessions, contender, given.runs))
    return results


def table(results: list[Throughput]) -> str:
    rows = []
    for what, dtype in dict.fromkeys((each.what, each.dtype) for each in results):
        rates = {each.sessions: each.tokens for each in results if (each.what, each.dtype) == (what, dtype)}
        rows.append((what, dtype, *(f"{rates[sessions]:.1f}" for sessions in SESSIONS), f"{rates[16] / rates[1]:.1f}"))
    return table_of(("tokens per second", "weights", *map(str, SESSIONS), "16 / 1"), rows, words=2)


def ratio(results: list[Throughput], dtype: str, one: tuple[str, int], other: tuple[str, int]) -> float:
    """`one`, `other`: who, and with how many sessions."""
    rates = {(each.what, each.sessions): each.tokens for each in results if each.dtype == dtype}
    return rates[one] / rates[other]


def _median(what: str, dtype: str, sessions: int, contender: Measure, runs: int) -> Throughput:
    rate = median(rate_of(contender(sessions)) for _ in range(runs))
    print(f"{what}, {dtype}, {sessions} sessions: {rate:.1f} tokens per second", file=sys.stderr, flush=True)
    return Throughput(what, dtype, sessions, rate)


def _contenders(given: Given, dtype: str) -> Iterator[tuple[str, Measure]]:
    """One after the other, so that only one has its weights in memory."""
    loaded = _load(given, dtype)
    prompt = _prompt(loaded, given)
    text = str(loaded.tokenizer.decode(prompt, skip_special_tokens=True))
    settings = EngineSettings(
        str(given.model), str(given.folder), "bench", context=given.context, answers=SESSIONS[-1], kept=0
    )
    with ours(loaded, settings) as engine:
        yield OURS, lambda sessions: engine.measure(text, sessions, given.answer)
    theirs = _load(given, dtype).model
    yield GENERATE, lambda sessions: Generate(theirs).measure(prompt, sessions, given.answer)
    yield BATCHING, lambda sessions: ContinuousBatching(theirs).measure(prompt, sessions, given.answer)


def _load(given: Given, dtype: str) -> Loaded:
    return load(str(given.model), dtype, choose_device("auto"), given.folder)


def _prompt(loaded: Loaded, given: Given) -> list[int]:
    return text_tokens(loaded.tokenizer, given.context - 2 * given.answer)
