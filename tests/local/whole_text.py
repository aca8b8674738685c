"""What a token's scores are by one pass over the whole text, without a cache: to hold the cache against."""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel

from core.providers.local.engine.cache.window import Window

NAME = "whole-text"


def scores(model: PreTrainedModel, tokens: list[int], window: Window, local: Window | None = None) -> Tensor:
    """After each token, (tokens, vocabulary). Each sees what its window leaves it, sinks at the distance that they have
    in a cache of the window's size. `local`: what layers with a window of their own see. float64 all along."""
    before = model.config._attn_implementation
    AttentionInterface.register(NAME, _attend)
    model.set_attn_implementation(NAME)
    try:
        with torch.inference_mode():
            positions = torch.arange(len(tokens))[None]
            answer = model(input_ids=torch.tensor([tokens]), position_ids=positions, window=window, local=local)
    finally:
        model.set_attn_implementation(before)
    whole: Tensor = answer.logits[0]
    return whole


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _: Any,
    *,
    scaling: float,
    window: Window,
    local: Any,
    **__: Any,
) -> tuple[Tensor, None]:
    is_local = getattr(module, "is_sliding", False)
    seen_by = local if is_local else window
    times = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(times, dim=1), value.repeat_interleave(times, dim=1)
    places = torch.arange(query.shape[2])
    distances = places[:, None] - places
    weights = query @ key.transpose(-1, -2)
    is_sink = places < seen_by.sinks
    for place in range(seen_by.size, query.shape[2]):
        turned = _rotated_back(query[:, :, place], place - (seen_by.size - 1), module)
        weights[:, :, place, is_sink] = (turned[:, :, None] @ key[:, :, is_sink].transpose(-1, -2))[:, :, 0]
    is_seen = (distances >= 0) & (is_sink | (distances < seen_by.recent))
    weights = (weights * scaling).masked_fill(~is_seen, -torch.inf).softmax(-1)
    return (weights @ value).transpose(1, 2), None


def _rotated_back(states: Tensor, positions: int, module: Any) -> Tensor:
    """By the textbook: each pair of a key by its own angle."""
    config = module.config
    rope = config.rope_parameters
    rope = rope.get(getattr(module, "layer_type", None), rope) if "rope_theta" not in rope else rope
    width = int(states.shape[-1] * rope.get("partial_rotary_factor", 1.0))
    turned = states.clone()
    for pair in range(width // 2):
        angle = torch.tensor(-positions * rope["rope_theta"] ** (-2 * pair / width), dtype=torch.float64)
        one, other = states[..., pair], states[..., pair + width // 2]
        turned[..., pair] = one * angle.cos() - other * angle.sin()
        turned[..., pair + width // 2] = other * angle.cos() + one * angle.sin()
    return turned
