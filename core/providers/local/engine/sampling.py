"""Which token comes next."""

import random

import msgspec
import torch
from torch import Tensor


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
        likely = scores.topk(sampling.top_k) if 0 < sampling.top_k < len(scores) else scores.sort(descending=True)
        shares = (likely.values.double() / sampling.temperature).softmax(-1)
        sums = shares.cumsum(-1)
        # Of the likeliest, as many as it takes to reach top_p.
        within = int(torch.searchsorted(sums, torch.tensor(sampling.top_p, dtype=torch.float64, device=sums.device)))
        most = float(sums[min(within, len(sums) - 1)])
        place = int(torch.searchsorted(sums, torch.tensor(point * most, dtype=torch.float64, device=sums.device)))
        return int(likely.indices[min(place, len(sums) - 1)])
