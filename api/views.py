"""Views: what the HTTP API answers, as JSON. What it is asked is in `api.inputs`."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from core.model.events import Usage
from core.model.parts import Part, ToolResult, whole_tool_calls
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


class UsageCounts(BaseModel):
    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = Field(None, description="Of the input: those that the service had read before.")
    reasoning_tokens: int | None = Field(None, description="Of the output: those of what the model thought.")

    @classmethod
    def of(cls, usage: Usage | None) -> "UsageCounts | None":
        return None if usage is None else cls(**msgspec.structs.asdict(usage))


class TryView(BaseModel):
    """One request to a model's service."""

    model: str
    provider: str
    outcome: str = Field(description="How the answer finished, or the code of the error by which it did not.")
    message: str | None = None
    usage: UsageCounts | None = None
    cost: float | None = Field(None, description="US dollars, by the prices of MODELS_FILE.")


class TurnError(BaseModel):
    code: str
    message: str


class ToolCallView(BaseModel):
    id: str
    name: str
    arguments: str = Field(description="JSON, as the model wrote it.")
    result: str | None = Field(description="What the tool answered; null while, or because, it has not.")
    is_error: bool = Field(description="Whether that is an error.")


class TurnView(BaseModel):
    turn: int
    mode: str
    status: str
    attempt: int
    model: str
    message: str
    text: str
    reasoning: str
    refusal: str = Field(description="What the model said instead of an answer that it refused to give.")
    tool_calls: list[ToolCallView]
    replaces: int | None
    finish_reason: str | None
    raw_finish_reason: str | None = Field(description="By the word of the model's service.")
    provider: str | None = Field(description="Who has answered.")
    served_model: str | None = Field(description="Which model has answered, by the word of its service.")
    usage: UsageCounts | None
    cost: float | None = Field(description="US dollars for all tries, by the prices of MODELS_FILE, as far as known.")
    tries: list[TryView] = Field(description="Of a turn that needed more than one; the newest of many.")
    error: TurnError | None
    created_at: datetime
    started_at: datetime | None
    claimed_at: datetime | None = Field(description="When the last attempt began.")
    asked_at: datetime | None = Field(description="When it asked the model's service.")
    first_token_at: datetime | None
    reasoning_seconds: float | None = Field(description="How long the model has thought, in the last attempt.")
    finished_at: datetime | None

    @classmethod
    def of(cls, turn: Turn) -> "TurnView":
        tape = turn.read_tape()
        return cls(
            turn=turn.turn,
            mode=turn.mode,
            status=turn.status,
            attempt=turn.attempt,
            model=turn.model,
            message=turn.message,
            text=tape.text(),
            reasoning=tape.reasoning(),
            refusal=tape.refusal(),
            tool_calls=_tool_calls(tape.slice()),
            replaces=turn.replaces,
            finish_reason=turn.finish_reason,
            raw_finish_reason=turn.raw_finish_reason,
            provider=turn.provider,
            served_model=turn.served_model,
            usage=UsageCounts.of(turn.usage),
            cost=turn.cost,
            tries=[TryView(**each) for each in turn.tries or []],
            error=TurnError(code=turn.error_code, message=turn.error_message or "") if turn.error_code else None,
            created_at=_time(turn.created_at),
            started_at=turn.started_at and _time(turn.started_at),
            claimed_at=turn.claimed_at and _time(turn.claimed_at),
            asked_at=turn.asked_at and _time(turn.asked_at),
            first_token_at=turn.first_token_at and _time(turn.first_token_at),
            reasoning_seconds=turn.reasoning_seconds,
            finished_at=turn.finished_at and _time(turn.finished_at),
        )


class WholeAnswer(TurnView):
    session_id: str

    @classmethod
    def of(cls, turn: Turn) -> "WholeAnswer":
        return cls(session_id=turn.session_id, **TurnView.of(turn).model_dump())


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
        return cls(**told, is_default=is_default, continues=model.goes_on)


class ModelList(BaseModel):
    models: list[ModelView] = Field(description="Others can be asked for as well, where their service knows the name.")


class Health(BaseModel):
    status: Literal["ok", "stuck"]
    version: str | None = Field(None, description="With a key only, where there are keys; the next four too.")
    provider: str | None = None
    model: str | None = None
    workers: int | None = Field(None, description="Workers alive by heartbeat.")
    circuits: dict[str, str] | None = Field(
        None, description="Models whose service is not asked for a while, by the word of any process: open, half_open."
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


def _tool_calls(parts: list[Part]) -> list[ToolCallView]:
    results = {part.call_id: part for part in parts if isinstance(part, ToolResult)}
    views = []
    for call in whole_tool_calls(parts):
        result = results.get(call.id)
        views.append(
            ToolCallView(
                id=call.id,
                name=call.name,
                arguments=call.arguments,
                result=result.content if result else None,
                is_error=result is not None and result.is_error,
            )
        )
    return views


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
