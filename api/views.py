"""Views: what the HTTP API answers, as JSON, but for turns. What it is asked is in `api.inputs`."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.turn_views import TurnView, time_of
from core.model.model_states import EngineState
from core.providers.catalogue.models import Model
from core.store.turns.records import Session, Turn


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
            created_at=time_of(session.created_at),
            updated_at=time_of(session.updated_at),
            turns=session.turns,
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
            created_at=time_of(session.created_at),
            updated_at=time_of(session.updated_at),
            messages=messages,
            turns=views,
        )


class PricesView(BaseModel):
    """US dollars for a million tokens."""

    input: float
    output: float
    cached: float | None


class ModelView(BaseModel):
    name: str = Field(description="To be asked for by `model` of `POST /chat`.")
    provider: str
    is_default: bool = Field(description="Whether it answers where a question names none.")
    context: int | None = Field(description="Tokens that it can read.")
    prices: PricesView | None
    tools: bool
    reasoning: bool
    images: bool
    continues: bool = Field(description="Whether it goes on with an answer that broke off.")
    fallbacks: list[str]

    @classmethod
    def of(cls, model: Model, *, is_default: bool) -> "ModelView":
        """Without its address and its key's variable."""
        told = model.model_dump(include=set(cls.model_fields) - {"is_default", "continues"})
        return cls(**told, is_default=is_default, continues=model.may_go_on)


class ModelList(BaseModel):
    models: list[ModelView] = Field(description="Others can be asked for as well, where their service knows the name.")


class ToolView(BaseModel):
    name: str
    description: str | None = Field(description="null where only its server knows it.")


class ToolList(BaseModel):
    tools: list[ToolView]


class Health(BaseModel):
    status: Literal["ok", "stuck"]
    version: str | None = Field(None, description="With a key only, where there are keys; the next five too.")
    provider: str | None = None
    model: str | None = None
    workers: int | None = Field(None, description="Workers alive by heartbeat.")
    circuits: dict[str, str] | None = Field(
        None, description="Models whose service is not asked for a while, by the word of any process: open, half_open."
    )
    engines: dict[str, EngineState] | None = Field(
        None,
        description="Models that machines of ours answer with, by the word of any process that has one; left out "
        "without any. Questions wait for one that is loading; one that is stopped is started by the next.",
    )
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
