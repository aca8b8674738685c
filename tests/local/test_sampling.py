"""Which token is chosen: by temperature, top_p, top_k and seed."""

from collections import Counter
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from core.providers.local.engine.running import usual_sampling
from core.providers.local.engine.sampling import Sampler, Sampling

SCORES = torch.tensor([0.5, 0.1, 0.3, 0.1]).log()
TIMES = 4000


def shares(sampling: Sampling) -> dict[int, float]:
    sampler = Sampler(sampling)
    return {token: count / TIMES for token, count in Counter(sampler.choose(SCORES) for _ in range(TIMES)).items()}


def test_tokens_come_as_often_as_their_scores_say() -> None:
    assert shares(Sampling(seed=1)) == pytest.approx({0: 0.5, 1: 0.1, 2: 0.3, 3: 0.1}, abs=0.03)


def test_a_low_temperature_makes_the_likely_ones_likelier() -> None:
    assert shares(Sampling(temperature=0.5, seed=1))[0] == pytest.approx(0.25 / 0.36, abs=0.03)


@pytest.mark.parametrize(
    ("sampling", "tokens"),
    [
        (Sampling(top_k=1), {0}),
        (Sampling(top_k=2), {0, 2}),
        (Sampling(top_k=100), {0, 1, 2, 3}),
        (Sampling(top_p=0.4), {0}),
        (Sampling(top_p=0.7), {0, 2}),
        (Sampling(top_p=0.0001), {0}),
        (Sampling(top_p=0.99), {0, 1, 2, 3}),
        (Sampling(top_k=2, top_p=0.6), {0}),
        (Sampling(top_k=2, top_p=0.63), {0, 2}),
        (Sampling(temperature=1e-310), {0}),
        (Sampling(temperature=0), {0}),
        (Sampling(temperature=0, top_p=0.5, top_k=3), {0}),
    ],
)
def test_only_those_are_chosen_that_may_be(sampling: Sampling, tokens: set[int]) -> None:
    sampler = Sampler(sampling)
    assert {sampler.choose(SCORES) for _ in range(500)} == tokens


@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("top_k", [0, 1_000])
def test_of_many_tokens_so_many_are_left_as_reach_top_p(top_p: float, top_k: int) -> None:
    scores = torch.randn(5_000, generator=torch.Generator().manual_seed(3))
    likely = sorted(scores.double().exp().tolist(), reverse=True)[: top_k or None]
    reached = [sum(likely[: count + 1]) / sum(likely) for count in range(len(likely))]
    left = next((count for count, share in enumerate(reached, 1) if share >= top_p - 1e-12), len(likely))
    sampler = Sampler(Sampling(top_p=top_p, top_k=top_k, seed=1))
    ranks = {token: rank for rank, token in enumerate(scores.sort(descending=True).indices.tolist())}
    drawn = [ranks[sampler.choose(scores)] for _ in range(TIMES)]
    assert left * 0.9 - 10 < max(drawn) < left
    expected = sum(rank * share for rank, share in enumerate(likely[:left])) / sum(likely[:left])
    assert sum(drawn) / TIMES == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("told", "usual"),
    [
        ({}, Sampling(0.8, 0.95, 40)),
        ({"temperature": 0.2}, Sampling(0.2, 1.0, 0)),
        ({"top_p": 0.9, "top_k": 20}, Sampling(1.0, 0.9, 20)),
    ],
)
def test_usually_it_is_as_the_model_tells(told: dict[str, Any], usual: Sampling) -> None:
    assert usual_sampling(GenerationConfig(**told)) == usual  # type: ignore[no-untyped-call]


def test_a_seed_chooses_the_same_again() -> None:
    one, other, another = (Sampler(Sampling(seed=seed)) for seed in (5, 5, 6))
    texts = [[sampler.choose(SCORES) for _ in range(50)] for sampler in (one, other, another)]
    assert texts[0] == texts[1] != texts[2]


def test_of_equals_the_first_is_the_likeliest() -> None:
    assert Sampler(Sampling(temperature=0)).choose(torch.tensor([1.0, 2.0, 2.0])) == 1
