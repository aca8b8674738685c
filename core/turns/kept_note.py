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


class _Note(msgspec.Struct, frozen=True):
    model: str
    kept: Kept


def noted(turn: Turn) -> tuple[str, Kept] | None:
    """The model that answers, by its name, and what its service keeps."""
    if turn.upstream is None:
        return None
    note = msgspec.convert(turn.upstream, _Note)
    return note.model, note.kept


class KeptNote:
    """One turn's. `attempt`: tells which one runs, for only that may be noted."""

    def __init__(self, turn: Turn, services: RunServices, attempt: Callable[[], int]) -> None:
        self._turn = turn
        self._services = services
        self._attempt = attempt
        self._noting: asyncio.Task[None] | None = None
        self._noted_at = float("-inf")
        self._next: _Note | None = None

    def note(self, model: Model, kept: Kept, *, at_once: bool = False) -> None:
        """In the background: nobody waits for it."""
        if not at_once and monotonic() - self._noted_at < EVERY_SECONDS:
            return
        self._noted_at = monotonic()
        self._next = _Note(model.name, kept)
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
