"""Relays: each brings what is posted to a narrator to a controller, and comes back with what that says to it."""

from typing import Protocol

import msgspec

from core.model.errors import HopstreamError

RELAY_SECONDS = 45.0
"""Whoever posts waits so long for a controller's word."""


class RelayedMessage(msgspec.Struct, frozen=True, kw_only=True):
    event_id: int
    """By which a controller knows a message that it is told again."""
    conversation_id: str
    workspace_id: str | None
    message: str
    controller: str
    epoch: int | None
    """Of the controller's lease; None: an agent answers without one."""
    key_name: str | None
    """Of the API key that has posted it; None: the API has none."""


class Narration(msgspec.Struct, frozen=True):
    message: str
    turn: int | None = None
    """Of the conversation, by which an agent has answered."""


class Relay(Protocol):
    async def relay(self, message: RelayedMessage) -> Narration:
        """A message comes again if the process that relayed it has died: even so its controller is asked only once.
        Raises HopstreamError."""
        ...


class NoController(HopstreamError):
    code = "no_controller"
    status = 503
    title = "Nobody is there to answer"


class RelayTimeout(HopstreamError):
    code = "relay_timeout"
    status = 504
    title = "The controller did not answer in time"


class RelayFailed(HopstreamError):
    code = "relay_failed"
    status = 502
    title = "The controller gave no answer"
