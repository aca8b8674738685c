"""A model with its cache: tokens go in, and scores of what may come next go out."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from core.providers.local.engine.cache.plans import Place
from core.providers.local.engine.cache.ring import RingCache


class CachedModel:
    """For one thread at a time. The caller knows the place of each session, and moves it on after each pass."""

    def __init__(self, model: PreTrainedModel, cache: RingCache) -> None:
        self.model = model
        self.cache = cache
        self.device = str(model.device)

    @torch.inference_mode()
    def step(self, places: Sequence[Place], tokens: Sequence[int]) -> Tensor:
        """One further token of each of these sessions. Scores of shape (sessions, vocabulary), float32."""
        self.cache.plan_step(places)
        return self._pass([[token] for token in tokens], [[place.length] for place in places])

    @torch.inference_mode()
    def read(self, place: Place, tokens: Sequence[int], scored: int = 1) -> Tensor:
        """Several further tokens of one session, not more than are recent to it. Scores after the last ones, as many as
        `scored`, of shape (scored, vocabulary), float32."""
        self.cache.plan_piece(place, len(tokens))
        return self._pass([list(tokens)], [list(range(place.length, place.length + len(tokens)))], scored)

    def forget(self, row: int) -> None:
        """Another text begins in it."""
        self.cache.forget(row)

    def _pass(self, tokens: list[list[int]], positions: list[list[int]], scored: int = 1) -> Tensor:
        answer = self.model(
            input_ids=torch.tensor(tokens, device=self.device),
            position_ids=torch.tensor(positions, device=self.device),
            cache=self.cache,
            use_cache=True,
            logits_to_keep=scored,
        )
        scores: Tensor = answer.logits.float().flatten(0, 1)
        return scores
