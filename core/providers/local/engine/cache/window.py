"""Which earlier tokens a token sees, and where the cache has them."""

from typing import NamedTuple


class Window(NamedTuple):
    """The first `sinks` tokens of a text, and the `recent` last ones, a token itself among them (Xiao et al. 2023,
    arXiv 2309.17453). Positions count the text's tokens from 0; the slots of the recent ones are a ring."""

    sinks: int
    recent: int

    @property
    def size(self) -> int:
        return self.sinks + self.recent

    def slot(self, position: int) -> int:
        if position < self.sinks:
            return position
        return self.sinks + (position - self.sinks) % self.recent

    def position(self, slot: int, length: int) -> int:
        """Of the token that a slot has when the cache has seen `length` tokens, more than `slot`."""
        if slot < self.sinks:
            return slot
        latest = length - 1 - self.sinks
        return self.sinks + latest - (latest - (slot - self.sinks)) % self.recent

    def held(self, length: int) -> int:
        """Slots that are in use after so many tokens: the first ones."""
        return min(length, self.size)

    def shift(self, position: int) -> int:
        """How far the sinks are turned for the token at this position. A token counts distances within the cache, where
        it is never further than its last place."""
        return max(0, position - (self.size - 1))
