"""Tiny models with random weights, of each family that the engine runs."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY = 97
LOCAL_WINDOW = 7
"""Of Gemma's local layers."""
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_WITHOUT_SHARED_HEADS = {name: size for name, size in _SIZES.items() if name != "num_key_value_heads"}
_PARTIAL = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5}
_FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**_SIZES, sliding_window=None)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**_SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**_SIZES, head_dim=8)),
    "phi": lambda: PhiForCausalLM(PhiConfig(**_SIZES, rope_parameters=_PARTIAL)),
    "phi3": lambda: Phi3ForCausalLM(Phi3Config(**_SIZES)),
    "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**_WITHOUT_SHARED_HEADS, rope_parameters=_PARTIAL)),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **{**_SIZES, "num_hidden_layers": 6},
            head_dim=8,
            query_pre_attn_scalar=8,
            sliding_window=LOCAL_WINDOW,
        )
    ),
}
FAMILIES = sorted(_FAMILIES)


def tiny(family: str) -> PreTrainedModel:
    """Always the same one; in float64, so that what differs is no rounding."""
    torch.manual_seed(7)
    model = _FAMILIES[family]()
    model.double()
    model.train(mode=False)
    return model
