"""Who is told of the turns in this process: log lines, the event bus, and whatever else counts, traces or shows them.

A subscriber is one more module and one more line in `core.telemetry.catalogue`; no other module calls it.
"""

from collections.abc import Sequence
from enum import StrEnum
from time import time
from typing import Protocol

import msgspec
import structlog

from core.model.events import End
from core.store.turns.records import Turn

log = structlog.get_logger()


class Moment(StrEnum):
    QUEUED = "queued"
    CLAIMED = "claimed"
    STARTED = "started"
    RESTARTED = "restarted"
    ENDED = "ended"
    GIVEN_UP = "given_up"
    """By this process: handed over, or lost to another one. The turn goes on elsewhere, or was ended there."""


class TurnEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a turn; never a token."""

    moment: Moment
    turn: Turn
    """As it was when this process got it: its key, model, labels and request."""
    attempt: int
    at: float
    """Seconds since 1970, by this process's clock."""
    reason: str | None = None
    """Why it was restarted or given up."""
    end: End | None = None
    """Of a turn that has ended."""
    first_token_after: float | None = None
    ended_after: float | None = None
    """Seconds after the turn was claimed; of a turn that has ended in a run of this process."""


class TurnSubscriber(Protocol):
    def on_turn(self, event: TurnEvent) -> None:
        """Called in the event loop, in the midst of the turn's work: it must neither block nor raise."""
        ...


class TurnSubscribers:
    """All of a process."""

    def __init__(self, subscribers: Sequence[TurnSubscriber] = ()) -> None:
        self._subscribers = subscribers

    def tell(
        self,
        moment: Moment,
        turn: Turn,
        *,
        attempt: int | None = None,
        reason: str | None = None,
        end: End | None = None,
        first_token_after: float | None = None,
        ended_after: float | None = None,
    ) -> None:
        """`attempt`: where it is another one than `turn` knows."""
        event = TurnEvent(
            moment=moment,
            turn=turn,
            attempt=turn.attempt if attempt is None else attempt,
            at=time(),
            reason=reason,
            end=end,
            first_token_after=first_token_after,
            ended_after=ended_after,
        )
        for subscriber in self._subscribers:
            try:
                subscriber.on_turn(event)
            except Exception as error:  # its own affair: the answer goes on
                log.error("turn subscriber broke", action="subscriber.broken", exc_info=error)
