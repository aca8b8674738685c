"""How far answers of the mock upstream may go that are held back: until somebody says that they may go on."""

from collections import defaultdict
from collections.abc import Callable

ALL = 2_000_000
"""Tokens; more than an answer can have."""

OnMove = Callable[[], None]


class Gates:
    """By the id of the scripts."""

    def __init__(self) -> None:
        self._allowed: dict[str, int] = {}
        self._waiting: defaultdict[str, set[OnMove]] = defaultdict(set)

    def allowed(self, name: str, hold_after: int) -> int:
        """So many tokens of an answer may be out, which is held back after `hold_after` at first."""
        return self._allowed.get(name, hold_after)

    def wait(self, name: str, on_move: OnMove) -> None:
        """Until more are allowed."""
        self._waiting[name].add(on_move)

    def leave(self, name: str, on_move: OnMove) -> None:
        if waiting := self._waiting.get(name):
            waiting.discard(on_move)

    def move(self, name: str, allowed: int = ALL) -> None:
        self._allowed[name] = allowed
        for on_move in self._waiting.pop(name, ()):
            on_move()
