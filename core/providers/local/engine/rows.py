"""Rows of the cache: those of answers that run, those that are kept for the next question, and free ones."""

from collections import OrderedDict
from collections.abc import Hashable

import msgspec

from core.providers.local.engine.cache.window import Window


class Kept(msgspec.Struct, frozen=True):
    """What a row has seen: all messages of a conversation, the answer the last of them, without what ends it."""

    row: int
    length: int
    """Tokens."""
    next_token: int
    """The answer's last one, where the cache has not seen it; else -1."""
    window: Window
    has_system: bool
    """The first of the messages is the system's."""
    messages: tuple[int, ...]
    """A hash of each."""


class Rows:
    """At most as many kept ones as there are rows beside those that may run."""

    def __init__(self, rows: int, slots: int) -> None:
        """`slots`: so many may run."""
        self._free = list(range(rows - 1, -1, -1))
        self._most_kept = rows - slots
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        """By conversation; the one that was used last comes last."""

    def take(self) -> int:
        """A row whose text is to be forgotten."""
        if not self._free:
            _, oldest = self._kept.popitem(last=False)
            return oldest.row
        return self._free.pop()

    def find(self, conversation: str) -> Kept | None:
        return self._kept.get(conversation)

    def resume(self, conversation: str) -> int:
        """The row that is kept for it, which runs from now on."""
        return self._kept.pop(conversation).row

    def keep(self, conversation: str, kept: Kept) -> None:
        before = self._kept.pop(conversation, None)
        if before is not None:
            self._free.append(before.row)
        self._kept[conversation] = kept
        if len(self._kept) > self._most_kept:
            _, oldest = self._kept.popitem(last=False)
            self._free.append(oldest.row)

    def free(self, row: int) -> None:
        self._free.append(row)
