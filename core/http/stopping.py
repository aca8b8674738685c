"""Hearing of a signal to stop before the server does."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

LAST_WORDS_SECONDS = 0.1
"""From a signal to stop until the server is told of it: in between, streams say that they close."""


class BeforeSignal:
    """Calls back when SIGTERM or SIGINT comes, before the server's own handler: the server waits for open streams, and
    only then tells the app that it stops. WebSockets it closes at once, so it hears of the signal a moment later."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_signal)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._close, number)

    def _close(self, number: int) -> None:
        self._callback()
        before = self._before[signal.Signals(number)]
        if callable(before):
            self._loop.call_later(LAST_WORDS_SECONDS, before, number, None)
