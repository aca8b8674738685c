"""The note of an answer that its service keeps, in the turn's row: whoever takes the turn over fetches the rest."""

import asyncio
from collections.abc import Callable
from time import monotonic

import msgspec
import structlog

from core.model.errors import StoreDown
from core.providers.base import Kept
from core.providers.catalogue.models import Model
from core.store.turns.records import Turn
from core.turns.services import RunServices

log = structlog.get_logger()

EVERY_SECONDS = 1.0
"""How far the answer has come is noted so often; that there is one, at once."""


class Note(msgspec.Struct, frozen=True):
    model: str
    """That answers, by its name."""
    kept: Kept
    origin: int
    """The attempt with which this answer began, as a feed has it: of another one's tape it says nothing."""
    step: int = 1
    """Of the turn, which it is the answer of."""


def noted(turn: Turn) -> Note | None:
    return msgspec.convert(turn.upstream, Note) if turn.upstream is not None else None


class KeptNote:
    """One turn's. `attempt`: tells which one runs, for only that may be noted."""

    def __init__(self, turn: Turn, services: RunServices, attempt: Callable[[], int]) -> None:
        self._turn = turn
        self._services = services
        self._attempt = attempt
        self._noting: asyncio.Task[None] | None = None
        self._noted_at = float("-inf")
        self._next: Note | None = None

    def note(self, model: Model, kept: Kept, origin: int, step: int, *, at_once: bool = False) -> None:
        """In the background: nobody waits for it."""
        if not at_once and monotonic() - self._noted_at < EVERY_SECONDS:
            return
        self._noted_at = monotonic()
        self._next = Note(model.name, kept, origin, step)
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._write(), name=f"note {self._turn.key}")

    async def _write(self) -> None:
        while self._next is not None:
            note, self._next = self._next, None
            try:
                await self._services.store.ownership.keep(
                    self._turn.key, self._attempt(), self._services.process_id, msgspec.to_builtins(note)
                )
            except StoreDown as error:
                log.warning("a kept answer was not noted", action="turn.not_noted", error=str(error))
