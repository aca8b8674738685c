"""The desk: what is posted to narrators in this process is relayed here, and what comes of it is stored.

A relay goes on when whoever has posted is gone, or has waited long enough: what a controller says late is still shown.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from api.narrator.news import NarratorNews
from api.narrator.relay import RELAY_SECONDS, Narration, Relay, RelayTimeout
from core.background import Background
from core.bus.publisher import BusPublisher
from core.model.errors import Closing, HopstreamError, StoreDown
from core.store.narrator.records import EventType, NarratorEvent
from core.store.retry import retry_while_down
from core.store.store import Store

log = structlog.get_logger()

NARRATION_CHARS = 16_384
"""Of a narration, which is one frame; the rest of an agent's answer is in its turn."""
BROKEN = "something went wrong on our side; the log has it"


class NarratorDesk:
    """One per process."""

    def __init__(self, store: Store, bus: BusPublisher, broker_url: str, relay: Relay | None) -> None:
        """`relay`: in all controllers' place."""
        self.news = NarratorNews(store, bus, broker_url)
        self.relay = relay
        self._store = store
        self._relaying: dict[int, asyncio.Task[NarratorEvent | HopstreamError]] = {}
        """By what they relay."""
        self._background = Background()
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """The process shuts down: nobody waits here any longer."""
        if not self._closed.done():
            self._closed.set_result(None)

    async def stop(self) -> None:
        self.close()
        await self._background.stop()
        await self.news.stop()

    def check_open(self) -> None:
        """Raises Closing."""
        if self._closed.done():
            raise Closing("the server restarts; post it again, with the same messageId")

    async def answer(self, event: NarratorEvent, relay: Callable[[], Awaitable[Narration]]) -> NarratorEvent:
        """The answer to `event`: `relay` is called for it, unless a call is under way. Raises RelayTimeout, StoreDown,
        Closing, NotFound."""
        self.check_open()
        task = self._relaying.get(event.event_id)
        if task is None:
            task = self._background.run(f"relay {event.event_id}", self._relay(event, relay))
            self._relaying[event.event_id] = task
        waiting = (task, self._closed)
        await asyncio.wait(waiting, timeout=RELAY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            self.check_open()
            raise RelayTimeout(f"the controller {event.controller!r} has not answered within {RELAY_SECONDS:g} s")
        outcome = task.result()
        if isinstance(outcome, HopstreamError):
            raise outcome
        return outcome

    async def _relay(
        self, event: NarratorEvent, relay: Callable[[], Awaitable[Narration]]
    ) -> NarratorEvent | HopstreamError:
        try:
            return await self._store.narrator.answer_to(event.event_id) or await self._outcome(event, relay)
        except HopstreamError as error:
            return error
        finally:
            del self._relaying[event.event_id]

    async def _outcome(self, event: NarratorEvent, relay: Callable[[], Awaitable[Narration]]) -> NarratorEvent:
        """Raises what is no outcome: it may still be relayed, or answered."""
        try:
            narration = await relay()
        except (RelayTimeout, StoreDown, Closing):
            raise
        except HopstreamError as error:
            log.warning("not relayed", action="narrator.relay_failed", code=error.code, **_about(event))
            return await self._keep(event, "ERROR", error.message)
        except Exception as error:
            log.error("relay broke", action="narrator.relay_broken", exc_info=error, **_about(event))
            return await self._keep(event, "ERROR", BROKEN)
        return await self._keep(event, "NARRATION", narration.message[:NARRATION_CHARS], narration.turn)

    async def _keep(
        self, event: NarratorEvent, kind: EventType, message: str, turn: int | None = None
    ) -> NarratorEvent:
        text = message.replace("\0", "\ufffd")  # PostgreSQL refuses it
        answer = await retry_while_down(lambda: self._store.narrator.answer(event, kind, text, turn))
        self.news.tell(event.session_id)
        return answer


def _about(event: NarratorEvent) -> dict[str, object]:
    return {"session_id": event.session_id, "event_id": event.event_id, "controller": event.controller}
