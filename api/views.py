"""Views: what the HTTP API answers, as JSON. What it is asked is in `api.inputs`."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.store.records import Session, Turn


class ChatAccepted(BaseModel):
    session_id: str
    turn: int
    status: Literal["queued"] = "queued"
    position: int = Field(description="Place in the queue; 1 is next.")
    stream_url: str = Field(
        description="With keys, it has a token that opens this stream for a while, for EventSource can send no header.",
        examples=["/stream/demo-1?turn=1"],
    )


class CancelAccepted(BaseModel):
    session_id: str
    turn: int
    status: str


class TicketIssued(BaseModel):
    ticket: str
    seconds: int = Field(description="For how long it is valid.")
    protocols: list[str] = Field(
        description="To be offered: `new WebSocket(url, protocols)`. The server chooses the first."
    )


class UsageCounts(BaseModel):
    input_tokens: int
    output_tokens: int


class TurnError(BaseModel):
    code: str
    message: str


class TurnView(BaseModel):
    turn: int
    mode: str
    status: str
    attempt: int
    model: str
    message: str
    text: str
    reasoning: str
    replaces: int | None
    finish_reason: str | None
    usage: UsageCounts | None
    error: TurnError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, turn: Turn) -> "TurnView":
        tape, usage = turn.read_tape(), turn.usage
        return cls(
            turn=turn.turn,
            mode=turn.mode,
            status=turn.status,
            attempt=turn.attempt,
            model=turn.model,
            message=turn.message,
            text=tape.text(),
            reasoning=tape.reasoning(),
            replaces=turn.replaces,
            finish_reason=turn.finish_reason,
            usage=UsageCounts(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens) if usage else None,
            error=TurnError(code=turn.error_code, message=turn.error_message or "") if turn.error_code else None,
            created_at=_time(turn.created_at),
            started_at=turn.started_at and _time(turn.started_at),
            finished_at=turn.finished_at and _time(turn.finished_at),
        )


class SessionSummary(BaseModel):
    session_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    turns: int
    status: str

    @classmethod
    def of(cls, session: Session) -> "SessionSummary":
        return cls(
            session_id=session.session_id,
            title=session.title,
            created_at=_time(session.created_at),
            updated_at=_time(session.updated_at),
            turns=session.last_turn,
            status=session.status,
        )


class SessionList(BaseModel):
    sessions: list[SessionSummary]


class ChatMessage(BaseModel):
    role: Literal["user", "assistant"]
    content: str
    turn: int


class SessionView(BaseModel):
    session_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    messages: list[ChatMessage]
    turns: list[TurnView]

    @classmethod
    def of(cls, session: Session, turns: list[Turn]) -> "SessionView":
        """`messages` is the conversation as it stands: without the turns that were replaced."""
        views = [TurnView.of(turn) for turn in turns]
        replaced = {view.replaces for view in views}
        messages = []
        for view in views:
            if view.turn in replaced:
                continue
            messages.append(ChatMessage(role="user", content=view.message, turn=view.turn))
            if view.text:
                messages.append(ChatMessage(role="assistant", content=view.text, turn=view.turn))
        return cls(
            session_id=session.session_id,
            title=session.title,
            created_at=_time(session.created_at),
            updated_at=_time(session.updated_at),
            messages=messages,
            turns=views,
        )


class Health(BaseModel):
    status: Literal["ok", "stuck"]
    version: str | None = Field(None, description="With a key only, where there are keys; the next three too.")
    provider: str | None = None
    model: str | None = None
    workers: int | None = Field(None, description="Workers alive by heartbeat.")
    broker: Literal["up", "down"]
    store: Literal["up", "down"]


class Readiness(BaseModel):
    status: Literal["ready", "unavailable"]
    broker: Literal["up", "down"]
    store: Literal["up", "down"]


class ProviderTest(BaseModel):
    model: str
    latency_ms: float
    reply: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[dict[str, Any]] | None = Field(None, description="The fields that are wrong.")


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
