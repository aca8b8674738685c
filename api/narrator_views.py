"""Views of narrators and controllers; see `api.views`."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.narrator.narrator import Narrated
from api.turn_views import time_of
from core.model.keys import TurnKey
from core.store.narrator.records import ControllerLease, EventType, NarratorEvent


class _View(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class LeaseView(_View):
    """For its holder alone."""

    name: str
    lease_id: str = Field(description="To renew it, or to give it back.")
    epoch: int = Field(description="One more with each lease: what is said under an earlier one is refused.")
    expires_at: datetime
    renew_after: float = Field(description="Seconds after which it should be renewed.")
    agent_id: str | None

    @classmethod
    def of(cls, lease: ControllerLease) -> "LeaseView":
        return cls(
            name=lease.name,
            lease_id=lease.lease_id,
            epoch=lease.epoch,
            expires_at=time_of(lease.expires_at),
            renew_after=lease.renew_after,
            agent_id=lease.agent_id,
        )


class ControllerView(_View):
    name: str
    agent_id: str | None = Field(description="The agent that answers.")
    epoch: int
    alive: bool = Field(description="Whether its lease lasts.")
    connected: bool = Field(description="Whether a WebSocket holds it.")
    ttl_seconds: float
    renewed_at: datetime
    age_seconds: float = Field(description="Since `renewedAt`.")
    expires_at: datetime

    @classmethod
    def of(cls, lease: ControllerLease) -> "ControllerView":
        return cls(
            name=lease.name,
            agent_id=lease.agent_id,
            epoch=lease.epoch,
            alive=lease.is_alive,
            connected=lease.holder is not None,
            ttl_seconds=lease.ttl_seconds,
            renewed_at=time_of(lease.renewed_at),
            age_seconds=lease.age_seconds,
            expires_at=time_of(lease.expires_at),
        )


class ControllerList(_View):
    controllers: list[ControllerView]


class NarratedView(_View):
    event_id: int = Field(description="Of the message.")
    conversation_id: str
    workspace_id: str | None
    task_id: str = Field(
        description="The turn by which an agent has answered, `<conversation>.<turn>`; else the event."
    )
    controller: str
    epoch: int | None = Field(description="Of the controller's lease; null for an agent that answers without one.")
    narration: str

    @classmethod
    def of(cls, narrated: Narrated) -> "NarratedView":
        event, answer = narrated
        task = TurnKey(event.session_id, answer.turn) if answer.turn is not None else event.event_id
        return cls(
            event_id=event.event_id,
            conversation_id=event.session_id,
            workspace_id=event.workspace_id,
            task_id=str(task),
            controller=event.controller,
            epoch=event.epoch,
            narration=answer.message,
        )


class NarratorEventView(_View):
    event_id: int
    seq: int = Field(description="1, 2, … in its conversation.")
    type: EventType
    source: str = Field(description="`user`, or the controller's name.")
    message: str
    controller: str
    epoch: int | None
    message_id: str | None
    workspace_id: str | None
    answers: int | None = Field(description="The event that it is the answer to.")
    turn: int | None = Field(description="By which an agent has answered.")
    at: datetime

    @classmethod
    def of(cls, event: NarratorEvent) -> "NarratorEventView":
        told = {name: getattr(event, name) for name in cls.model_fields if name != "at"}
        return cls(**told, at=time_of(event.at))


class NarratorFeed(_View):
    conversation_id: str
    events: list[NarratorEventView]
    next: int = Field(description="`after` of the page that follows, or of what will come.")

    @classmethod
    def of(cls, conversation_id: str, events: list[NarratorEvent], after: int) -> "NarratorFeed":
        return cls(
            conversation_id=conversation_id,
            events=[NarratorEventView.of(event) for event in events],
            next=events[-1].seq if events else after,
        )
