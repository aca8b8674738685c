"""What `POST /ws/ticket` is asked."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class TicketRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"path": "/ws/stream/demo-1"}]})

    path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]{1,299}$")] = Field(
        description="Of the WebSocket that it opens, without query."
    )
