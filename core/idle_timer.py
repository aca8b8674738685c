"""IdleTimer: notices that nothing came or went for long. While something does, that costs nothing."""

import asyncio
from collections.abc import Callable
from typing import Self


class IdleTimer:
    """`with IdleTimer(...) as timer:` calls back when `touch()` was not called for so long, and again while it lasts.

    A timer for every token would cost more than the token; here a timer checks now and then when the last one was.
    """

    def __init__(self, seconds: float, on_idle: Callable[[], object], *, first_until: float | None = None) -> None:
        """`first_until`: the loop's time by which the first touch is due; None: within `seconds`, as any other."""
        self._seconds = seconds
        self._on_idle = on_idle
        self._first_until = first_until
        self._loop = asyncio.get_running_loop()
        self.touch()

    def __enter__(self) -> Self:
        self.touch()
        if self._first_until is not None:
            self._until = self._first_until
        self._check()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._timer.cancel()

    @property
    def is_idle(self) -> bool:
        return self._loop.time() >= self._until

    def touch(self) -> None:
        """Something came, or went."""
        self._until = self._loop.time() + self._seconds

    def _check(self) -> None:
        if self.is_idle:
            self._on_idle()
        rest = self._until - self._loop.time()
        # The first touch may bring the end nearer.
        self._timer = self._loop.call_later(min(rest, self._seconds) if rest > 0 else self._seconds, self._check)
