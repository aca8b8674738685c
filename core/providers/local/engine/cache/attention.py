"""Attention over the slots of a cache, whose order says nothing."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from core.providers.local.engine.cache.plans import PiecePlan, StepPlan
from core.providers.local.engine.cache.rotary import turn


def attend_step(query: Tensor, keys: Tensor, values: Tensor, plan: StepPlan, scaling: float) -> Tensor:
    """`query`: (sessions, heads, 1, width). `keys` and `values`: of all rows, (rows, their heads, slots, width).

    Sessions whose rows lie side by side are looked at together, where nothing has to be copied. The query heads that
    share a key head stand in for several tokens, which see the same.
    """
    shared = keys.shape[1]
    grouped = query.reshape(query.shape[0], shared, -1, query.shape[-1])
    answers = []
    for sessions, rows, seen, mask in plan.runs:
        kept = (keys[rows, :, :seen], values[rows, :, :seen])
        answers.append(scaled_dot_product_attention(grouped[sessions], *kept, attn_mask=mask, scale=scaling))
    return torch.cat(answers).reshape(query.shape[0], 1, query.shape[1], -1)


def attend_piece(
    query: Tensor, keys: Tensor, values: Tensor, first_keys: Tensor, plan: PiecePlan, scaling: float
) -> Tensor:
    """`query`: (1, heads, tokens, width). `keys` and `values`: those that were held and then the new ones, (1, their
    heads, held + tokens, width). `first_keys`: of the sinks, as they were before they were turned."""
    if plan.turned is None:
        answer = scaled_dot_product_attention(
            query, keys, values, attn_mask=plan.mask, scale=scaling, enable_gqa=query.shape[1] != keys.shape[1]
        )
        return answer.transpose(1, 2)
    # Each token turns the sinks by another angle: it is the query that is turned, the other way.
    times = query.shape[1] // keys.shape[1]
    scores = _scores(query, keys[0], times)
    scores[..., : plan.sinks] = _scores(turn(query, -plan.turned), first_keys, times)
    weights = (scores * scaling).masked_fill(~plan.mask, -torch.inf).softmax(-1, dtype=torch.float32).to(query.dtype)
    return (weights @ values.repeat_interleave(times, dim=1)).transpose(1, 2)


def _scores(query: Tensor, keys: Tensor, times: int) -> Tensor:
    return query @ keys.repeat_interleave(times, dim=0).transpose(-1, -2)
