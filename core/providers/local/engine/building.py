"""Makes a transformers model one with our cache, or says why it cannot be one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from core.providers.local.engine.cache.memory import Memory
from core.providers.local.engine.cache.ring import Kind, RingCache, RingLayer
from core.providers.local.engine.cache.rotary import ExactRotary, Frequencies
from core.providers.local.engine.model import CachedModel

FAMILIES = frozenset(
    {"llama", "mistral", "qwen2", "qwen3", "phi", "phi3", "gpt_neox", "gemma3_text", "stablelm", "olmo2"}
)
"""Their layers rotate halves (all of a key or its first part), before the cache sees it, and score as usual."""
ROPES = frozenset({"default", "linear", "llama3", "yarn"})
"""Whose frequencies do not depend on how long a text is."""
GLOBAL, LOCAL = "full_attention", "sliding_attention"


class Unsupported(Exception):
    """A model that the cache is not made for."""


@dataclass(frozen=True)
class Size:
    rows: int
    slots: int


def with_cache(model: PreTrainedModel, size: Size) -> CachedModel:
    """Raises Unsupported."""
    config = model.config
    check(config)
    kinds_of_layers = layer_types(config)
    rotary_name, rotary = _rotary(model)
    frequencies, scaling = _frequencies(rotary, sorted(set(kinds_of_layers)))
    kinds, layers = {}, []
    for layer_type in dict.fromkeys(kinds_of_layers):
        own = config.sliding_window if layer_type == LOCAL else None
        slots = min(own, size.slots) if own is not None else size.slots
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        count = kinds_of_layers.count(layer_type)
        memory = Memory(count, size.rows, slots, heads, (width, width), model.dtype, str(model.device))
        kinds[layer_type] = Kind(memory, frequencies.get(layer_type) or frequencies[None], own)
    numbers = dict.fromkeys(kinds, 0)
    for layer_type in kinds_of_layers:
        layers.append(RingLayer(kinds[layer_type], numbers[layer_type]))
        numbers[layer_type] += 1
    cache = RingCache(layers, str(model.device))
    owner, _, name = rotary_name.rpartition(".")
    setattr(model.get_submodule(owner), name, ExactRotary(frequencies, scaling))
    model.set_attn_implementation(cache.attention)
    model.train(mode=False)
    return CachedModel(model, cache)


def check(config: Any) -> None:
    """Raises Unsupported, which names what is not to be had."""
    if config.model_type not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise Unsupported(f"models of the kind {config.model_type!r} cannot run here; those that can are {known}")
    for rope in _ropes(config):
        kind = rope.get("rope_type", "default")
        if kind not in ROPES:
            raise Unsupported(
                f"its positions are of the kind {kind!r}, which depend on how long the text is; "
                f"those that can run here are {', '.join(sorted(ROPES))}"
            )
    others = set(layer_types(config)) - {GLOBAL, LOCAL}
    if others:
        raise Unsupported(f"it has layers of the kind {', '.join(sorted(others))}")


def layer_types(config: Any) -> list[str]:
    """Of each layer, in order."""
    told: Sequence[str] | None = getattr(config, "layer_types", None)
    if told is not None:
        return list(told)
    has_window = getattr(config, "sliding_window", None) is not None and getattr(config, "use_sliding_window", True)
    return [LOCAL if has_window else GLOBAL] * config.num_hidden_layers


def _ropes(config: Any) -> list[dict[str, Any]]:
    """One, or one for each type of layers."""
    rope = getattr(config, "rope_parameters", None) or {}
    inner = [each for each in rope.values() if isinstance(each, dict)]
    return inner or [rope]


def _rotary(model: PreTrainedModel) -> tuple[str, nn.Module]:
    for name, module in model.named_modules():
        if name.endswith("rotary_emb"):
            return name, module
    raise Unsupported("it has no rotary positions")


def _frequencies(rotary: nn.Module, types: list[str]) -> tuple[dict[str | None, Frequencies], dict[str | None, float]]:
    if isinstance(inverse := getattr(rotary, "inv_freq", None), torch.Tensor):
        return {None: Frequencies(inverse)}, {None: float(getattr(rotary, "attention_scaling", 1.0))}
    frequencies: dict[str | None, Frequencies] = {}
    scaling: dict[str | None, float] = {}
    for name in types:
        frequencies[name] = Frequencies(getattr(rotary, f"{name}_inv_freq"))
        scaling[name] = float(getattr(rotary, f"{name}_attention_scaling"))
    return frequencies, scaling
