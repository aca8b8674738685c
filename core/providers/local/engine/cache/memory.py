"""The keys and values of all sessions, in layers of one kind."""

import torch
from torch import Tensor

from core.providers.local.engine.cache.rotary import Frequencies, turn
from core.providers.local.engine.cache.window import Window


class Memory:
    """Made whole at the start. A row is a session's, and has `slots` places for a token.

    Keys are kept as they were rotated at their place in the text, and are never moved: attention counts distances, and
    does not care for the order of slots. Only the keys of sinks are turned, as the text grows, always from what they
    were, so that nothing adds up.
    """

    def __init__(
        self, layers: int, rows: int, slots: int, heads: int, widths: tuple[int, int], dtype: torch.dtype, device: str
    ) -> None:
        """`widths`: of a key and of a value."""
        key, value = ((layers, rows, heads, slots, width) for width in widths)
        self.keys = torch.zeros(key, dtype=dtype, device=device)
        self.values = torch.zeros(value, dtype=dtype, device=device)
        self._first_keys: dict[int, Tensor] = {}
        """Of sinks that were turned, by row: as they were before."""

    @property
    def bytes(self) -> int:
        """All that is allocated."""
        tensors = [self.keys, self.values, *self._first_keys.values()]
        return sum(tensor.element_size() * tensor.numel() for tensor in tensors)

    def turn_sinks(self, row: int, window: Window, position: int, frequencies: Frequencies) -> None:
        """As the token at this position is to see them."""
        shift = window.shift(position)
        if not shift or not window.sinks:
            return
        if row not in self._first_keys:
            self._first_keys[row] = self.keys[:, row, :, : window.sinks].clone()
        angles = frequencies.angles(torch.tensor(shift, device=self.keys.device))
        self.keys[:, row, :, : window.sinks] = turn(self._first_keys[row], angles)

    def first_keys(self, row: int, layer: int, sinks: int) -> Tensor:
        """Of the sinks, not turned: (heads, sinks, width)."""
        kept = self._first_keys.get(row)
        return kept[layer] if kept is not None else self.keys[layer, row, :, :sinks]

    def forget(self, row: int) -> None:
        """Another text begins in it. What is hidden of a row is multiplied by 0, which leaves NaN what it is."""
        self._first_keys.pop(row, None)
        self.keys[:, row] = 0
        self.values[:, row] = 0
