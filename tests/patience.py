"""How long tests wait for what must come true, and what they call late.

A machine may have ten times as much to do as it can. So whatever is to happen at some time has `PATIENCE_SECONDS` for
it, and only a test that would fail anyway takes that long. What is *promised* to happen within so many seconds is a
promise of an idle machine: `promised` measures beside it how much slower this one is at that moment.
"""

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic, perf_counter, thread_time
from typing import Self

import anyio

PATIENCE_SECONDS = 90.0
REST_SECONDS = 0.03
"""Between two measurements, each of some 5 ms."""
WORK = bytes(8 * 1024 * 1024)
"""Is hashed with the interpreter's lock released: what the test itself does meanwhile makes no machine slow."""


class Slowness:
    """`with Slowness() as slowness:` How many times longer work took meanwhile than its CPU time: 1 on an idle machine,
    some 3 with six that want to run for each two cores."""

    def __init__(self) -> None:
        self._elapsed = self._worked = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="slowness")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def factor(self) -> float:
        return max(self._elapsed / self._worked, 1.0)

    def _measure(self) -> None:
        while True:
            began, worked = perf_counter(), thread_time()
            hashlib.sha256(WORK)
            self._elapsed += perf_counter() - began
            self._worked += thread_time() - worked
            if self._over.wait(REST_SECONDS):
                return


class Lag:
    """`async with Lag() as lag:` for how long the event loop was kept from its work meanwhile, at most: by other
    processes, as a rule."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __aenter__(self) -> Self:
        self._measuring = asyncio.create_task(self._measure(), name="lag")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._measuring.cancel()
        await asyncio.wait([self._measuring])

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + REST_SECONDS
            try:
                await asyncio.sleep(REST_SECONDS)
            finally:  # the last one may be the one that was kept
                self.seconds = max(self.seconds, loop.time() - due)


async def without_lag(seconds: float, attempt: Callable[[], Awaitable[None]]) -> None:
    """For what holds on a machine that has time for it: once more where it fails, and the event loop was kept from its
    work for longer than so many seconds meanwhile. Raises what it raises."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            async with Lag() as lag:
                try:
                    return await attempt()
                except Exception as error:  # noqa: BLE001 - raised below
                    failed = error
            if lag.seconds <= seconds:
                raise failed


@contextmanager
def promised(seconds: float) -> Iterator[None]:
    """What is in this block of a coroutine takes no longer than so many seconds of an idle machine.

    Raises AssertionError; TimeoutError if it does not end at all.
    """
    with Slowness() as slowness:
        began = monotonic()
        with anyio.fail_after(PATIENCE_SECONDS):
            yield
        took = monotonic() - began
    allowed = seconds * slowness.factor
    assert took <= allowed, f"took {took:.2f} s: more than {seconds:g} s, even {slowness.factor:.1f} times as long"
