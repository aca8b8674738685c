"""What the store tells of controllers and narrators: immutable copies of rows."""

from typing import Literal, NamedTuple

import msgspec

EventType = Literal["USER_MESSAGE", "NARRATION", "ERROR"]
"""A message that was posted; what its controller has said to it; why it has not."""
RENEWALS = 3
"""Of a lease, in the time that it lasts: two of them may be lost."""


class ControllerLease(msgspec.Struct, frozen=True, kw_only=True):
    """Who is a controller, and for how long. Times are seconds since 1970 by the database's clock."""

    name: str
    agent_id: str | None
    """The agent that answers in its name; None: whoever holds the lease."""
    lease_id: str
    """Known to its holder alone."""
    epoch: int
    """One more than that of the lease before."""
    holder: str | None
    """The connection that messages go to."""
    ttl_seconds: float
    renewed_at: float
    expires_at: float
    age_seconds: float
    """Since it was renewed."""
    is_alive: bool

    @property
    def renew_after(self) -> float:
        """Seconds."""
        return self.ttl_seconds / RENEWALS


class Taken(NamedTuple):
    lease: ControllerLease
    is_new: bool
    """Rather than renewed."""


class NarratorEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `narrator_events`."""

    event_id: int
    session_id: str
    seq: int
    """1, 2, … in its session."""
    type: EventType
    source: str
    message: str
    controller: str
    epoch: int | None = None
    """Of the controller's lease; None: an agent answers without one."""
    message_id: str | None = None
    """The client's own."""
    workspace_id: str | None = None
    answers: int | None = None
    """The event that it is the answer to."""
    turn: int | None = None
    """Of its session, by which an agent has answered."""
    at: float


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted to a narrator."""

    session_id: str
    message: str
    controller: str
    epoch: int | None = None
    message_id: str | None = None
    workspace_id: str | None = None


class Posted(NamedTuple):
    event: NarratorEvent
    is_new: bool
    """False where its message had come before."""


class NarratorLook(NamedTuple):
    at: float
    """By the database's clock, before it looked."""
    latest: dict[str, int]
    """The last `seq` of each session that has something new."""
