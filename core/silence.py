"""Silence: notices that nothing came or went for long. While something does, that costs nothing."""

import asyncio
from collections.abc import Callable
from typing import Self


class Silence:
    """`with Silence(...) as silence:` calls back when `end()` was not called for so long, and again while it lasts.

    A timer for every token would cost more than the token; here one looks now and then when the last one was.
    """

    def __init__(self, seconds: float, on_long: Callable[[], object]) -> None:
        self._seconds = seconds
        self._on_long = on_long
        self._loop = asyncio.get_running_loop()
        self.end()

    def __enter__(self) -> Self:
        self.end()
        self._look()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._timer.cancel()

    @property
    def is_long(self) -> bool:
        return self._loop.time() >= self._until

    def end(self) -> None:
        """Something came, or went."""
        self._until = self._loop.time() + self._seconds

    def _look(self) -> None:
        if self.is_long:
            self._on_long()
        rest = self._until - self._loop.time()
        self._timer = self._loop.call_later(rest if rest > 0 else self._seconds, self._look)
