"""What `POST /chat` is asked, and the turn that it becomes."""

import secrets
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.model.context import RequestContext
from core.model.keys import SESSION_ID_PATTERN
from core.store.turns.records import NewTurn

SessionId = Annotated[
    str,
    Field(pattern=SESSION_ID_PATTERN, description="Letters, digits, _ and -, at most 128.", examples=["demo-1"]),
]


def _check_message(message: str) -> str:
    if not message.strip():
        raise ValueError("must not be blank")
    if "\0" in message:
        raise ValueError("must not contain NUL characters")
    return message


class Options(BaseModel):
    """Passed on to the model."""

    model_config = ConfigDict(extra="forbid")

    temperature: float | None = Field(None, ge=0, le=2, strict=True)
    top_p: float | None = Field(None, ge=0, le=1, strict=True)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000, strict=True)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2, strict=True)
    frequency_penalty: float | None = Field(None, ge=-2, le=2, strict=True)
    seed: int | None = Field(None, strict=True)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None


class ChatRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"message": "Hello!"},
                {"message": "And in French?", "session_id": "demo-1"},
                {"message": "Hello!", "mode": "direct", "options": {"temperature": 0.2}},
            ]
        },
    )

    message: Annotated[str, Field(min_length=1), AfterValidator(_check_message)]
    session_id: SessionId | None = Field(None, description="Continues a session; the API makes one up without it.")
    mode: Literal["queue", "direct"] = Field(
        "queue", description="direct skips the queue and ends with its connection."
    )
    model: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")] | None = None
    options: Options = Field(default_factory=Options)
    replaces: int | None = Field(
        None, ge=1, strict=True, description="The session's latest, finished turn, whose answer this one replaces."
    )

    def new_turn(self, default_model: str, api_process_id: str, context: RequestContext) -> NewTurn:
        """What is stored. `api_process_id`: of this process, which answers by itself in direct mode."""
        return NewTurn(
            session_id=self.session_id or secrets.token_urlsafe(16),
            mode=self.mode,
            model=self.model or default_model,
            message=self.message,
            options=self.options.model_dump(exclude_none=True),
            replaces=self.replaces,
            owner=api_process_id if self.mode == "direct" else None,
            context=context,
        )
