"""Patience with the store: a database that is away for a while delays an answer, it does not lose it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.errors import StoreDown

T = TypeVar("T")

RETRY_SECONDS = 0.5


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the store until it answers."""
    while True:
        try:
            return await ask()
        except StoreDown:
            await asyncio.sleep(RETRY_SECONDS)
