"""Which token comes next."""

import random

import msgspec
from torch import Tensor

FEW = 256
"""Tokens, the likeliest, which mostly are all that top_p leaves: to order a vocabulary takes ten times as long."""


class Sampling(msgspec.Struct, frozen=True):
    """`temperature` 0: always the likeliest. `top_k` 0 and `top_p` 1: of all. `seed` None: another answer each time."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None


class Sampler:
    """Of one answer. It takes one random number for each token, so that a seed and scores say all."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = random.Random(sampling.seed)  # noqa: S311 - what it decides is not secret

    def choose(self, scores: Tensor) -> int:
        """`scores`: of shape (vocabulary,), float32."""
        sampling = self._sampling
        if sampling.temperature == 0:
            return int(scores.argmax())
        point = self._random.random()
        shares = ((scores - scores.max()).double() / sampling.temperature).softmax(-1)
        if sampling.top_k == 0 and sampling.top_p == 1:
            return _drawn(shares.cumsum(-1), point)
        likely, tokens = shares.topk(min(sampling.top_k or FEW, len(shares)))
        sums = likely.cumsum(-1)
        if sampling.top_k == 0 and sums[-1] < sampling.top_p:
            likely, tokens = shares.sort(descending=True)
            sums = likely.cumsum(-1)
        # Of the likeliest, as many as it takes to reach top_p.
        all_of_them = sums[-1] if sampling.top_k else 1.0
        enough = int((sums < sampling.top_p * all_of_them).sum()) + 1
        return int(tokens[_drawn(sums[:enough], point)])


def _drawn(sums: Tensor, point: float) -> int:
    """The place of the first sum that is more than this part, less than 1, of the last one."""
    return min(int((sums <= point * sums[-1]).sum()), len(sums) - 1)
