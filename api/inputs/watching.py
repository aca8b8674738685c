"""What `GET /events` and `/ws/events` are asked, by query and by the client's messages."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.watchers.subscriptions import Subscription

Word = Annotated[str, Field(min_length=1, max_length=200)]
Status = Literal["queued", "running", "done", "error", "cancelled", "streaming", "completed"]
_STATES = {"streaming": "running", "completed": "done"}
"""The page's words."""


class SubscriptionWords(BaseModel):
    """All that are given have to fit; none: everything."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    goal_id: Word | None = None
    session_id: Word | None = None
    model: Word | None = Field(None, description="That was asked for.")
    status: Status | None = Field(None, description="A turn comes into view with it, and stays there to its end.")

    def subscription(self) -> Subscription:
        status = self.status and _STATES.get(self.status, self.status)
        return Subscription(goal_id=self.goal_id, session_id=self.session_id, model=self.model, status=status)


class Watching(SubscriptionWords):
    batch_ms: int | None = Field(
        None, ge=10, le=5000, description="For how long what is new gathers. Default: WATCH_BATCH_MS."
    )
    last_event_id: str | None = Field(None, description="Go on after this id, as by the header.")
    resumable: bool = Field(False, description="Of the WebSocket: whether each event has an `id` to go on after.")


class ClientMessage(SubscriptionWords):
    type: Literal["subscribe", "unsubscribe", "ping", "pong"]

    def words(self) -> dict[str, str]:
        """Those that were given."""
        return self.model_dump(by_alias=True, exclude_none=True, exclude={"type"})
