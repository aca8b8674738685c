"""Whatever a test opens is closed when it ends; otherwise that very test fails, and by name.

Without this a socket or an event loop is noticed whenever Python's garbage collector comes by: often in the middle of
another test, which then fails for it. What counts as open: descriptors, threads, child processes, and in a coroutine's
event loop its tasks. What outlives tests on purpose, as a proxy of a whole module does, is a `Keeper`.
"""

import asyncio
import gc
import os
import socket
import sys
import threading
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple, Protocol
from weakref import WeakSet

import psutil
import pytest
import uvloop

SETTLE_SECONDS = 20.0
"""For what is about to close by itself, as a thread that was told to end. Only a leak takes all of it."""
POLL_SECONDS = 0.005
EXECUTOR = "asyncio_"
"""So the names of the threads begin that an event loop has for blocking calls. They end with it; it has descriptors."""
DESCRIPTORS = Path("/proc/self/fd")
"""Linux has it; elsewhere descriptors are not looked at."""


class Keeper(Protocol):
    """Closes what it holds by itself, at the end of more than one test."""

    def descriptors(self) -> set[int]:
        """In this process."""

    def children(self) -> set[int]:
        """Process ids."""


keepers: "WeakSet[Keeper]" = WeakSet()


class Open(NamedTuple):
    """What is open in this process at some moment."""

    descriptors: frozenset[tuple[int, str]]
    """With what each leads to, because numbers are used again."""
    threads: frozenset[threading.Thread]
    children: frozenset[int]

    def since(self, before: "Open") -> list[str]:
        """What was opened after `before` and is nobody's, in words."""
        descriptors = self.descriptors - before.descriptors
        threads = self.threads - before.threads
        children = self.children - before.children
        if not (descriptors or threads or children):
            return []
        kept, owned = _kept(), {pid for keeper in keepers for pid in keeper.children()}
        return [
            *(_address(number) or target for number, target in sorted(descriptors) if number not in kept),
            *(f"thread {thread.name}" for thread in threads),
            *(f"process {pid}: {_command(pid)}" for pid in sorted(children - owned)),
        ]


def look() -> Open:
    threads = (thread for thread in threading.enumerate() if not thread.name.startswith(EXECUTOR))
    return Open(frozenset(_descriptors()), frozenset(threads), frozenset(_children()))


def check(before: Open, *, thoroughly: bool = False) -> None:
    """Wait until all that was opened since then is closed. Raises AssertionError, naming what is not.

    `thoroughly`: also looks for what was lost without being closed or awaited, and has no descriptor of its own.
    """
    left = look().since(before)
    if left or thoroughly:
        lost = _collect_garbage()
        left = _until_closed(before) + lost
    assert left == [], f"left open: {'; '.join(left)}"


async def check_loop(before: set["asyncio.Task[object]"], opened_before: Open) -> None:
    """The same in a running event loop, whose tasks have to end, and its connections to close: here they can. A task
    that does not end is cancelled."""
    running = {task for task in asyncio.all_tasks() - before if not _is_runners(task)}
    if running:
        _, running = await asyncio.wait(running, timeout=SETTLE_SECONDS)
    names = [f"task {task.get_name()} of {task.get_coro()}" for task in running]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
    deadline = monotonic() + SETTLE_SECONDS
    while (connections := _connections(opened_before)) and monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
    assert names + connections == [], f"left open: {'; '.join(names + connections)}"


def open_what_stays() -> None:
    """What libraries open once and for all, so that no test is the first."""
    uvloop.new_event_loop().close()  # libuv's pipe for signals


def _kept() -> set[int]:
    return {number for keeper in keepers for number in keeper.descriptors()}


def _is_runners(task: "asyncio.Task[object]") -> bool:
    """Whether pytest's runner has made it: the one that waits for us, made in this moment."""
    return getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")


def _collect_garbage() -> list[str]:
    """What was in it that should not have been: Python warns of that, and a warning is an error."""
    lost: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda told: lost.append(f"{told.object!r}: {told.exc_value!r}"))
        gc.collect()
    return lost


def _until_closed(before: Open) -> list[str]:
    deadline = monotonic() + SETTLE_SECONDS
    while (left := look().since(before)) and monotonic() < deadline:
        sleep(POLL_SECONDS)
    return left


def _connections(before: Open) -> list[str]:
    """Those over a network, listening ones too. What else an event loop opens, it closes at its own end."""
    new = {number for number, _ in _descriptors() - before.descriptors} - _kept()
    return [address for number in sorted(new) if (address := _address(number))]


def _descriptors() -> set[tuple[int, str]]:
    found = set()
    for name in os.listdir(DESCRIPTORS) if DESCRIPTORS.is_dir() else ():
        try:
            found.add((int(name), os.readlink(DESCRIPTORS / name)))
        except OSError:  # the one by which the folder itself was read
            continue
    return found


def _children() -> set[int]:
    return {process.pid for process in psutil.Process().children()}


def _address(number: int) -> str:
    """Both ends of a network's socket; empty for anything else."""
    try:
        opened = socket.socket(fileno=number)
    except OSError:
        return ""
    try:
        if opened.family not in (socket.AF_INET, socket.AF_INET6):
            return ""
        try:
            peer = str(opened.getpeername())
        except OSError:
            peer = "nobody"
        return f"socket {opened.getsockname()} to {peer}"
    except OSError:  # closed in this moment
        return ""
    finally:
        opened.detach()


def _command(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f"{' '.join(process.cmdline()) or process.name()} ({process.status()})"
    except psutil.Error:
        return "gone by now"
