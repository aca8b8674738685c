"""The cache of attention sinks and a sliding window, as transformers' models take one."""

from collections.abc import Sequence
from itertools import count
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin

from core.providers.local.engine.cache.attention import attend_piece, attend_step
from core.providers.local.engine.cache.memory import Memory
from core.providers.local.engine.cache.plans import PiecePlan, Place, StepPlan, plan_piece, plan_step
from core.providers.local.engine.cache.rotary import Frequencies
from core.providers.local.engine.cache.window import Window

_numbers = count(1)


class Kind:
    """Layers that see the same, and rotate alike."""

    def __init__(self, memory: Memory, frequencies: Frequencies, own_window: int | None) -> None:
        """`own_window`: of a model's local layers, which see no more whatever a session's window is."""
        self.memory = memory
        self.frequencies = frequencies
        slots = memory.keys.shape[-2]
        self._own = Window(0, min(own_window, slots)) if own_window is not None else None
        self.plan: StepPlan | PiecePlan
        """Of the pass that runs."""

    def window(self, place: Place) -> Window:
        return self._own or place.window

    def plan_step(self, places: Sequence[Place], device: str) -> None:
        for place in places:
            self.memory.turn_sinks(place.row, self.window(place), place.length, self.frequencies)
        self.plan = plan_step([place._replace(window=self.window(place)) for place in places], device)

    def plan_piece(self, place: Place, tokens: int, device: str) -> None:
        self.plan = plan_piece(place._replace(window=self.window(place)), tokens, self.frequencies, device)


class RingLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # transformers is half typed
    """Of a kind's layers, the one of this number."""

    def __init__(self, kind: Kind, number: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = kind
        self.number = number
        self._keys = self.keys = kind.memory.keys[number]
        self._values = self.values = kind.memory.values[number]
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Writes them, and returns what `attend` takes."""
        plan = self.kind.plan
        if isinstance(plan, StepPlan):
            self._keys[plan.rows, :, plan.slots] = key_states[:, :, 0]
            self._values[plan.rows, :, plan.slots] = value_states[:, :, 0]
            return self._keys, self._values
        return self._write(self._keys, key_states, plan), self._write(self._values, value_states, plan)

    def attend(self, query: Tensor, keys: Tensor, values: Tensor, scaling: float) -> Tensor:
        plan = self.kind.plan
        if isinstance(plan, StepPlan):
            return attend_step(query, keys, values, plan, scaling)
        first_keys = self.kind.memory.first_keys(plan.row, self.number, plan.sinks)
        return attend_piece(query, keys, values, first_keys, plan, scaling)

    def lazy_initialization(self, *_: Any) -> None: ...

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return self._keys.shape[-2]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0

    def _write(self, kept: Tensor, states: Tensor, plan: PiecePlan) -> Tensor:
        """Those that were held and the new ones: what the first of these see may be what the last ones write over."""
        both = torch.cat((kept[plan.row : plan.row + 1, :, : plan.held], states), dim=2)
        kept[plan.row][:, plan.slots] = states[0][:, plan.kept]
        return both


class RingCache(Cache):
    """`plan_step` or `plan_piece`, and then the pass through the model."""

    def __init__(self, layers: list[RingLayer], device: str) -> None:
        super().__init__(layers=[*layers])
        self._layers = layers
        self.kinds = list({id(layer.kind): layer.kind for layer in layers}.values())
        self._device = device
        self.attention = f"ring-{next(_numbers)}"
        """Name of its attention, for transformers."""
        AttentionInterface.register(self.attention, self._attend)

    @property
    def bytes(self) -> int:
        return sum(kind.memory.bytes for kind in self.kinds)

    def plan_step(self, places: Sequence[Place]) -> None:
        for kind in self.kinds:
            kind.plan_step(places, self._device)

    def plan_piece(self, place: Place, tokens: int) -> None:
        for kind in self.kinds:
            kind.plan_piece(place, tokens, self._device)

    def forget(self, row: int) -> None:
        for kind in self.kinds:
            kind.memory.forget(row)

    def _attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, _: Any, *, scaling: float, **__: Any
    ) -> tuple[Tensor, None]:
        layer = self._layers[cast(int, module.layer_idx)]
        return layer.attend(query, key, value, scaling), None
