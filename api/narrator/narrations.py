"""Narrations: what the narrator of one conversation says, told to one client in order, and each once."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from api.narrator.news import NarratorNews
from api.turn_views import time_of
from core.store.retry import retry_while_down
from core.store.store import Store

AT_ONCE = 50
"""Are read; a client may have been away for long."""


class Say(Protocol):
    """Sends a frame to a client."""

    def __call__(self, kind: str, **words: Any) -> Awaitable[None]: ...


class Narrations:
    def __init__(self, store: Store, news: NarratorNews, session_id: str, after: int, say: Say) -> None:
        """`store`: within the client's reach. `after`: the last one that it has."""
        self._store = store
        self._news = news
        self._session_id = session_id
        self._seq = after
        self._say = say

    async def run(self) -> None:
        """Until it is cancelled. What `say` raises ends it."""
        changed = asyncio.Event()
        with self._news.follow(self._session_id, changed.set):
            while True:
                changed.clear()
                if await self._tell() < AT_ONCE:
                    await changed.wait()

    async def _tell(self) -> int:
        """How many there were."""
        events = await retry_while_down(lambda: self._store.narrator.narrations(self._session_id, self._seq, AT_ONCE))
        for event in events:
            await self._say(
                "narration",
                seq=event.seq,
                eventId=event.event_id,
                source=event.source,
                message=event.message,
                at=time_of(event.at),
                conversationId=event.session_id,
            )
            self._seq = event.seq
        return len(events)
