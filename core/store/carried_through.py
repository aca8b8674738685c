"""Transactions that are carried through, whatever becomes of who asked for them.

A connection whose user is cancelled in mid-transaction has to be thrown away, and cancelled once more while that
happens, it stays open, with SQLite's one write lock in its hand. So every call runs in a task of its own, which nobody
cancels; a caller that is cancelled just no longer waits for it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from core.store.database import Database

T = TypeVar("T")


def carried_through(kind: type[T]) -> type[T]:
    """For classes with a `_database`: all their public coroutine methods."""
    for name, method in list(vars(kind).items()):
        if iscoroutinefunction(method) and not name.startswith("_"):
            setattr(kind, name, _in_own_task(method))
    return kind


def _in_own_task(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @wraps(method)
    async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        database: Database = self._database
        task = asyncio.create_task(method(self, *args, **kwargs))
        database.running.add(task)
        task.add_done_callback(database.forget)
        return await asyncio.shield(task)

    return run
