"""The relay to whoever holds a controller's lease: a connection of any API process, to which the message is told there,
and whose answer is in the store once it has come."""

import asyncio
from contextlib import suppress

from api.narrator.news import NarratorNews
from api.narrator.relay import RELAY_SECONDS, Narration, RelayedMessage, RelayFailed, RelayTimeout
from core.bus.lookout import LOOK_SECONDS
from core.model.errors import NotFound
from core.store.narrator.controllers import LeaseLost
from core.store.narrator.records import NarratorEvent
from core.store.retry import retry_while_down
from core.store.store import Store


class HolderRelay:
    def __init__(self, store: Store, news: NarratorNews) -> None:
        """`store`: within the reach of who posts."""
        self._store = store
        self._news = news

    async def relay(self, message: RelayedMessage) -> Narration:
        """Raises RelayTimeout, LeaseLost, RelayFailed."""
        try:
            async with asyncio.timeout(RELAY_SECONDS):
                answer = await self._answer(message)
        except TimeoutError:
            raise RelayTimeout(f"the controller {message.controller!r} has not answered") from None
        if answer.type == "ERROR":
            raise RelayFailed(answer.message)
        return Narration(answer.message)

    async def _answer(self, message: RelayedMessage) -> NarratorEvent:
        changed = asyncio.Event()
        with self._news.follow(message.conversation_id, changed.set):
            while True:
                changed.clear()
                answer = await retry_while_down(lambda: self._store.narrator.answer_to(message.event_id))
                if answer is not None:
                    return answer
                await retry_while_down(lambda: self._check_lease(message))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await changed.wait()

    async def _check_lease(self, message: RelayedMessage) -> None:
        """Nobody else can answer it. Raises LeaseLost."""
        with suppress(NotFound):
            if (await self._store.controllers.get(message.controller)).epoch == message.epoch:
                return
        raise LeaseLost(f"the controller {message.controller!r} has lost its lease before it has answered")
