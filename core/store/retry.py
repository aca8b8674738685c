"""Patience with the store: a database that is away for a while delays an answer, it does not lose it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from core.model.errors import StoreDown
from core.store.store import Store

T = TypeVar("T")
log = structlog.get_logger()

RETRY_SECONDS = 0.5
OPEN_RETRY_SECONDS = 2.0


async def retry_while_down(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the store until it answers."""
    while True:
        try:
            return await ask()
        except StoreDown:
            await asyncio.sleep(RETRY_SECONDS)


async def open_when_up(store: Store) -> None:
    """At a process's start."""
    while True:
        try:
            return await store.open()
        except StoreDown as error:
            log.error("store not reached", action="store.not_reached", error=str(error.__cause__))
            await asyncio.sleep(OPEN_RETRY_SECONDS)
