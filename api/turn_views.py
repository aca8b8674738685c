"""Views of turns; see `api.views`."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel, Field

from core.model.events import Usage
from core.model.parts import Part, StepBegun, Text, ToolCall, ToolCallBegun, ToolResult, whole_tool_calls
from core.store.turns.pages import TurnPage
from core.store.turns.records import ListedTurn, Turn, TurnFacts


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
    step: int = Field(description="Which pass through the model has asked for it, from 1.")
    at: int = Field(description="How many characters of the turn's text come before it.")
    result: str | None = Field(description="What the tool answered; null while, or because, it has not.")
    is_error: bool = Field(description="Whether that is an error.")
    truncated: bool = Field(description="Whether it had more to say than is kept.")
    seconds: float | None = Field(description="How long it took.")
    in_doubt: bool = Field(
        description="Nobody knows whether the call was carried out: its worker was lost meanwhile, and it may not be "
        "repeated."
    )


class TurnAgent(BaseModel):
    """The agent that was asked, as it was."""

    id: str
    name: str
    version: str = Field(description="The text of its entity tag.")

    @classmethod
    def of(cls, turn: Turn) -> "TurnAgent | None":
        return None if turn.agent is None else cls(**turn.agent)


class _TurnBase(BaseModel):
    """What is told of a turn wherever it is shown."""

    turn: int
    mode: str
    status: str
    attempt: int
    model: str
    message: str
    text: str
    goal_id: str | None
    work_item_id: str | None
    run_id: str | None
    metadata: dict[str, str]
    finish_reason: str | None
    provider: str | None = Field(description="Who has answered.")
    usage: UsageCounts | None
    cost: float | None = Field(description="US dollars for all tries, by the prices of MODELS_FILE, as far as known.")
    error: TurnError | None
    created_at: datetime
    started_at: datetime | None
    claimed_at: datetime | None = Field(description="When the last attempt began.")
    asked_at: datetime | None = Field(description="When it asked the model's service.")
    first_token_at: datetime | None
    finished_at: datetime | None


class TurnView(_TurnBase):
    agent: TurnAgent | None
    reasoning: str
    refusal: str = Field(description="What the model said instead of an answer that it refused to give.")
    tool_calls: list[ToolCallView]
    steps: int = Field(description="Passes through the model of an agent with tools; 0 without.")
    replaces: int | None
    raw_finish_reason: str | None = Field(description="By the word of the model's service.")
    served_model: str | None = Field(description="Which model has answered, by the word of its service.")
    tries: list[TryView] = Field(description="Of a turn that needed more than one; the newest of many.")
    reasoning_seconds: float | None = Field(description="How long the model has thought, in the last attempt.")

    @classmethod
    def of(cls, turn: Turn) -> "TurnView":
        tape = turn.read_tape()
        parts = tape.slice()
        return cls(
            **_told(turn),
            agent=TurnAgent.of(turn),
            text=tape.text(),
            reasoning=tape.reasoning(),
            refusal=tape.refusal(),
            tool_calls=_tool_calls(parts),
            steps=sum(isinstance(part, StepBegun) for part in parts),
            replaces=turn.replaces,
            raw_finish_reason=turn.raw_finish_reason,
            served_model=turn.served_model,
            tries=[TryView(**each) for each in turn.tries or []],
            reasoning_seconds=turn.reasoning_seconds,
        )


class WholeAnswer(TurnView):
    session_id: str

    @classmethod
    def of(cls, turn: Turn) -> "WholeAnswer":
        return cls(session_id=turn.session_id, **TurnView.of(turn).model_dump())


class TurnSummary(_TurnBase):
    session_id: str
    message: str = Field(description="Its beginning, on one line.")
    text: str = Field(description="The end of the answer, `text_chars` long; empty while the turn runs.")
    lost_attempts: int = Field(description="That a worker or the model's service broke off.")

    @classmethod
    def of(cls, turn: ListedTurn) -> "TurnSummary":
        return cls(**_told(turn), session_id=turn.session_id, text=turn.text, lost_attempts=turn.lost_attempts)


class TurnList(BaseModel):
    turns: list[TurnSummary]
    next: str | None = Field(description="`before` of the page that follows; null: this is the last one.")

    @classmethod
    def of(cls, page: TurnPage) -> "TurnList":
        return cls(turns=[TurnSummary.of(turn) for turn in page.turns], next=page.next and page.next.encode())


def time_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _told(turn: TurnFacts) -> dict[str, Any]:
    """By the names of `_TurnBase`, all but `text`."""
    return {
        "turn": turn.turn,
        "mode": turn.mode,
        "status": turn.status,
        "attempt": turn.attempt,
        "model": turn.model,
        "message": turn.message,
        **msgspec.structs.asdict(turn.labels),
        "finish_reason": turn.finish_reason,
        "provider": turn.provider,
        "usage": UsageCounts.of(turn.usage),
        "cost": turn.cost,
        "error": TurnError(code=turn.error_code, message=turn.error_message or "") if turn.error_code else None,
        "created_at": time_of(turn.created_at),
        "started_at": turn.started_at and time_of(turn.started_at),
        "claimed_at": turn.claimed_at and time_of(turn.claimed_at),
        "asked_at": turn.asked_at and time_of(turn.asked_at),
        "first_token_at": turn.first_token_at and time_of(turn.first_token_at),
        "finished_at": turn.finished_at and time_of(turn.finished_at),
    }


def _tool_calls(parts: list[Part]) -> list[ToolCallView]:
    results = {part.call_id: part for part in parts if isinstance(part, ToolResult)}
    views = []
    for call, place in zip(whole_tool_calls(parts), _places_of_calls(parts), strict=True):
        result = results.get(call.id)
        views.append(
            ToolCallView(
                id=call.id,
                name=call.name,
                arguments=call.arguments,
                step=place.step,
                at=place.at,
                result=result.content if result else None,
                is_error=result is not None and result.is_error,
                truncated=result is not None and result.truncated,
                seconds=result.seconds if result else None,
                in_doubt=result is not None and result.in_doubt,
            )
        )
    return views


class _Place(NamedTuple):
    step: int
    at: int


def _places_of_calls(parts: list[Part]) -> list[_Place]:
    """In the order in which the calls began."""
    step, chars, places = 1, 0, []
    for part in parts:
        match part:
            case StepBegun(number):
                step = number
            case Text(text):
                chars += len(text)
            case ToolCall() | ToolCallBegun():
                places.append(_Place(step, chars))
    return places
