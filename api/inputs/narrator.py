"""What the routes of narrators and controllers are asked."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from api.inputs.agent_frames import AgentId, ControllerName, LeaseId, MessageId
from api.inputs.chat import SessionId
from api.inputs.labels import Label
from api.inputs.messages import MessageText

DEFAULT_CONTROLLER = "controller"
"""The name that the first clients know."""


class _Asked(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")


class LeaseRequest(_Asked):
    """What is left out of a renewal stays as it is."""

    agent_id: AgentId | None = Field(
        None, description="The agent that answers; without one it is who holds the lease, over a WebSocket."
    )
    ttl_seconds: Annotated[float, Field(ge=5, le=300)] | None = Field(
        None, description="How long the lease lasts unless it is renewed; 30 s by default."
    )
    lease_id: LeaseId | None = Field(None, description="Of the lease to be renewed, or taken again.")


class NarratorPost(_Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "What is new?", "workspaceId": "demo"}]})

    message: MessageText
    conversation_id: SessionId | None = Field(
        None, description="Without one it is the workspace's own, or else a new one."
    )
    workspace_id: Label | None = None
    message_id: MessageId | None = Field(
        None, description="Your own, as a UUID: the same message again gets the same answer, and is relayed once."
    )
    controller: ControllerName = Field(DEFAULT_CONTROLLER, description="Who is to answer: a lease's name, or an agent.")


class FeedQuery(_Asked):
    conversation_id: SessionId | None = None
    workspace_id: Label | None = Field(None, description="In its place: the workspace's own conversation.")
    after: int = Field(
        0, ge=0, le=1_000_000_000, description="The `seq` behind which to go on; `next` of the page before."
    )
    limit: int = Field(50, ge=1, le=200)

    @model_validator(mode="after")
    def _is_of_one(self) -> "FeedQuery":
        if self.conversation_id is None and self.workspace_id is None:
            raise ValueError("there must be conversationId or workspaceId")
        return self
