"""Streaming for as long as there is a client."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from starlette.types import Message

GONE = ("http.disconnect", "websocket.disconnect")


async def run_while_connected(work: Coroutine[None, None, None], receive: Callable[[], Awaitable[Message]]) -> None:
    """To the end of `work`, which is cancelled when the client leaves. What a client sends meanwhile is passed over.

    It runs in a task of its own: from here each wake-up would go through all the middleware above.
    """
    working = asyncio.create_task(work, name="stream")
    leaving = asyncio.create_task(_until_gone(receive), name="stream's client")
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait([working, leaving])


async def _until_gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] not in GONE:
        pass
