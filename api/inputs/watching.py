"""What `GET /events` and `/ws/events` are asked."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.watchers.subscriptions import STATUSES, Subscription

Word = Annotated[str, Field(min_length=1, max_length=200)]
Status = Literal["queued", "running", "done", "error", "cancelled", "streaming", "completed"]


class Watching(BaseModel):
    """Without any of the first four: all that the caller may see."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    goal_id: Word | None = None
    session_id: Word | None = None
    model: Word | None = None
    status: Status | None = Field(None, description="A turn comes into view with it, and stays there to its end.")
    batch_ms: int | None = Field(
        None, ge=0, le=5000, description="For how long what is new gathers. Default: WATCH_BATCH_MS."
    )
    last_event_id: str | None = Field(None, description="Go on after this id, as by the header.")
    resumable: bool = Field(False, description="Of the WebSocket: whether each event has an `id` to go on after.")

    def subscription(self) -> Subscription:
        status = STATUSES[self.status] if self.status else None
        return Subscription(goal_id=self.goal_id, session_id=self.session_id, model=self.model, status=status)
