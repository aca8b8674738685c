"""A tiny model that goes on for a long time: whether anything adds up in its cache."""

import time
from copy import deepcopy

import msgspec
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, set_seed

from bench.local.rates import tenths_ms
from core.providers.local.engine.building import Size, with_cache
from core.providers.local.engine.cache.plans import Place
from core.providers.local.engine.cache.window import Window
from core.providers.local.engine.model import CachedModel
from core.providers.local.engine.sampling import Sampler, Sampling

LAYERS = 3
WINDOW = Window(4, 124)
PIECE = 31
LOOK_TOKENS = 5_000


class LongRun(msgspec.Struct):
    tokens: int
    apart: float
    """The most that a number of a key in the cache differs from one computed anew, in float64."""
    largest: float
    """Of those numbers."""
    bytes: list[int]
    """Of the cache, each time that it was looked at."""
    tenths_ms: tuple[float, float]
    """Milliseconds per token: medians of the first and the last tenth once the window is full."""


def measure(tokens: int) -> LongRun:
    """One that goes on with what it says, in float32."""
    made = tiny()
    sampler = Sampler(Sampling(seed=5))
    model = with_cache(deepcopy(made), Size(1, WINDOW.size))
    text = [1]
    sizes, seconds = [], []
    while len(text) <= tokens:
        began = time.perf_counter()
        scores = model.step([Place(0, len(text) - 1, WINDOW)], text[-1:])
        text.append(sampler.choose(scores[0]))
        seconds.append(time.perf_counter() - began)
        if len(text) > WINDOW.size and len(text) % LOOK_TOKENS == 0:
            sizes.append(model.cache.bytes)
    seen = text[:-1]
    anew = _anew(made, seen)
    kept, expected = _keys(model), _keys(anew)
    return LongRun(
        len(seen),
        float((kept - expected).abs().max()),
        float(expected.abs().max()),
        sizes,
        tenths_ms(seconds[WINDOW.size :]),
    )


def table(run: LongRun) -> str:
    first, last = run.tenths_ms
    sizes = " or ".join(f"{size:,}" for size in sorted(set(run.bytes)))
    return (
        f"After {run.tokens:,} tokens of a tiny model, keys of up to {run.largest:.1f} are at most {run.apart:.1e} "
        f"from ones computed anew in float64; the cache has {sizes} bytes all along; a token takes {first:.2f} ms in "
        f"the first tenth and {last:.2f} in the last ({last / first:.3f})."
    )


def tiny() -> PreTrainedModel:
    """Its weights are large enough for its keys to be of some size."""
    set_seed(5)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.1,
    )
    return LlamaForCausalLM(config)


def _anew(made: PreTrainedModel, text: list[int]) -> CachedModel:
    """In float64, by pieces instead of tokens, and from no further back than its layers see: what the first tokens
    after the sinks find in the empty cache reaches none of the last ones."""
    model = with_cache(deepcopy(made).double(), Size(1, WINDOW.size))
    model.read(Place(0, 0, WINDOW), text[: WINDOW.sinks])
    start = max(WINDOW.sinks, len(text) - (LAYERS + 1) * WINDOW.size)
    for place in range(start, len(text), PIECE):
        model.read(Place(0, place, WINDOW), text[place : place + PIECE])
    model.cache.plan_step([Place(0, len(text) - 1, WINDOW)])  # turns the sinks, as the last step has
    return model


def _keys(model: CachedModel) -> torch.Tensor:
    return torch.cat([kind.memory.keys[:, 0].double() for kind in model.cache.kinds])
