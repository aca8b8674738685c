"""One long text, read with each cache: how well the next token is foretold, and what a token takes."""

import time
from collections.abc import Iterator, Sequence
from math import exp
from statistics import mean, median

import msgspec
import torch
from torch import Tensor

from bench.local.given import Given
from bench.local.rates import tenths_ms
from bench.local.text import text_tokens
from bench.tables import table_of
from core.providers.local.engine.building import Size, with_cache
from core.providers.local.engine.cache.plans import Place
from core.providers.local.engine.cache.window import Window
from core.providers.local.engine.loading import Loaded, choose_device, load
from core.providers.local.engine.model import CachedModel

SINKS = 4
PIECE = 256
"""Tokens read at once, where nobody asks how long one takes."""
RECOMPUTED = 200
"""So many positions, evenly spread: each takes a pass over the whole window."""


class Stream(msgspec.Struct):
    context: int
    """Tokens of a full window: the figures are of the tokens from there on."""
    losses: dict[str, list[float]]
    """Of each token by `full`, `window` and `sink`: minus the logarithm of what it was given, nat."""
    sampled: list[int]
    """Tokens that the window was computed anew for."""
    recomputed: list[float]
    """Their losses."""
    step_seconds: list[float]
    """Of each token, with `sink`."""
    recomputed_seconds: list[float]
    bytes: dict[int, int]
    """Of `sink`'s cache, by how many tokens it has seen."""

    def perplexity(self, mode: str, *, at_sampled: bool) -> float:
        losses = self.losses[mode]
        places = self.sampled if at_sampled else range(self.context, len(losses))
        return exp(mean(losses[place] for place in places))

    @property
    def recomputed_perplexity(self) -> float:
        return exp(mean(self.recomputed))

    @property
    def tenths_ms(self) -> tuple[float, float]:
        """Milliseconds per token: medians of the first and the last tenth once the window is full."""
        return tenths_ms(self.step_seconds[self.context :])

    @property
    def speedup(self) -> float:
        """Of `sink` over a window that is computed anew for each token."""
        return median(self.recomputed_seconds) / median(self.step_seconds[self.context :])


def measure(given: Given) -> Stream:
    context = given.context
    tokens = text_tokens(_load(given).tokenizer, given.tokens)
    sink, window, full = Window(SINKS, context - SINKS), Window(0, context), Window(0, len(tokens))
    every = max(1, (len(tokens) - context) // RECOMPUTED)
    stream = Stream(context, {}, list(range(context, len(tokens), every)), [], [], [], {})
    stream.losses["sink"] = list(_by_steps(_cached(given, context), tokens, sink, stream))
    stream.losses["window"] = list(_by_pieces(_cached(given, context), tokens, window))
    stream.losses["full"] = list(_by_pieces(_cached(given, len(tokens)), tokens, full))
    _recompute(_load(given), tokens, stream)
    return stream


def table(stream: Stream) -> str:
    rows = [
        (mode, f"{stream.perplexity(mode, at_sampled=False):.2f}", f"{stream.perplexity(mode, at_sampled=True):.2f}")
        for mode in ("full", "window", "sink")
    ]
    rows.append(("window, computed anew", "-", f"{stream.recomputed_perplexity:.2f}"))
    first, last = stream.tenths_ms
    sizes = set(stream.bytes.values())
    return "\n\n".join(
        (
            table_of(("perplexity", f"tokens {stream.context:,} on", f"{len(stream.sampled)} of them"), rows),
            f"A token takes {first:.1f} ms in the first tenth after the window is full, {last:.1f} in the last "
            f"({last / first:.3f}); to compute the window anew takes {stream.speedup:.0f} times as long. "
            f"The cache has {' or '.join(f'{size:,}' for size in sorted(sizes))} bytes all along.",
        )
    )


def _load(given: Given) -> Loaded:
    return load(str(given.model), given.dtypes[0], choose_device("auto"), given.folder)


def _cached(given: Given, slots: int) -> CachedModel:
    return with_cache(_load(given).model, Size(1, slots))


def _by_steps(model: CachedModel, tokens: Sequence[int], window: Window, stream: Stream) -> Iterator[float]:
    """The loss of each token; the first has none."""
    yield 0.0
    for place, token in enumerate(tokens[:-1]):
        began = time.perf_counter()
        scores = model.step([Place(0, place, window)], [token])
        _wait()
        stream.step_seconds.append(time.perf_counter() - began)
        if place % PIECE == 0 and place >= stream.context:
            stream.bytes[place] = model.cache.bytes
        yield from _losses(scores, tokens[place + 1 : place + 2])


def _by_pieces(model: CachedModel, tokens: Sequence[int], window: Window) -> Iterator[float]:
    yield 0.0
    for place in range(0, len(tokens) - 1, PIECE):
        piece = tokens[place : place + PIECE]
        following = tokens[place + 1 : place + 1 + PIECE]
        scores = model.read(Place(0, place, window), piece, scored=len(piece))
        yield from _losses(scores[: len(following)], following)


@torch.inference_mode()
def _recompute(loaded: Loaded, tokens: Sequence[int], stream: Stream) -> None:
    """By transformers alone. The window keeps the token that begins a text, if the model has one: without it many are
    much worse."""
    begins = tokens[:1] if tokens[0] == loaded.tokenizer.bos_token_id else []
    for place in stream.sampled:
        text = [*begins, *tokens[place - stream.context + len(begins) : place]]
        began = time.perf_counter()
        scores = loaded.model(torch.tensor([text], device=loaded.model.device), logits_to_keep=1).logits[0].float()
        _wait()
        stream.recomputed_seconds.append(time.perf_counter() - began)
        stream.recomputed += _losses(scores, tokens[place : place + 1])


def _wait() -> None:
    """A GPU works on while Python goes on."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _losses(scores: Tensor, following: Sequence[int]) -> list[float]:
    wanted = torch.tensor(following, device=scores.device)
    losses: list[float] = torch.nn.functional.cross_entropy(scores, wanted, reduction="none").tolist()
    return losses
