"""What the store hands out: immutable copies of rows."""

from typing import Any, Literal, NamedTuple

import msgspec

from core.model.context import RequestContext
from core.model.events import Done, End, Failed, Usage
from core.model.keys import TurnKey
from core.model.tape import Tape

Mode = Literal["queue", "direct"]
Status = Literal["waiting", "queued", "running", "done", "error"]


class Earlier(msgspec.Struct, frozen=True):
    """An earlier question of the session, and its answer as it is stored."""

    message: str
    tape: bytes


class Labels(msgspec.Struct, frozen=True):
    """What a turn belongs to, in its caller's words."""

    goal_id: str | None = None
    work_item_id: str | None = None
    run_id: str | None = None
    metadata: dict[str, str] = {}
    """The caller's own few."""


class TurnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a list tells of a turn. Times are seconds since 1970 by the database's clock."""

    session_id: str
    turn: int
    mode: Mode
    status: Status
    attempt: int
    lost_attempts: int
    model: str
    message: str
    labels: Labels = Labels()
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    provider: str | None = None
    """That has answered."""
    cost: float | None = None
    """US dollars, of all tries, as far as it is known."""
    error_code: str | None = None
    error_message: str | None = None
    created_at: float
    started_at: float | None = None
    """When the first attempt began; the three times that follow are of the last one."""
    claimed_at: float | None = None
    asked_at: float | None = None
    """When the model's service was asked."""
    first_token_at: float | None = None
    finished_at: float | None = None

    @property
    def key(self) -> TurnKey:
        return TurnKey(self.session_id, self.turn)

    @property
    def usage(self) -> Usage | None:
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return Usage(self.input_tokens, self.output_tokens, self.cached_tokens, self.reasoning_tokens)


class ListedTurn(TurnFacts, frozen=True, kw_only=True):
    """`message` is its beginning."""

    text: str
    """The end of the answer, as much of it as was asked for; of what is committed."""


class Turn(TurnFacts, frozen=True, kw_only=True):
    """One row of `turns`."""

    owner: str | None = None
    handed_over: int | None = None
    dropped: int | None = None
    cancel_requested: bool
    input: dict[str, Any] | None = None
    """`messages`, `tools`, `tool_choice`, `response_format`, and of the `agent` what it was; None: the question is
    `message` after the history."""
    options: dict[str, Any]
    replaces: int | None = None
    context: RequestContext = RequestContext()
    tape: bytes | None = None
    part_ends: bytes | None = None
    """Where the parts ended as they came from the model."""
    served_model: str | None = None
    """Which one has answered, by the word of the model's service."""
    raw_finish_reason: str | None = None
    """By the word of the model's service."""
    tries: list[dict[str, Any]] | None = None
    """What became of the requests to models' services, the newest of them; None: there was one at most, to the turn's
    own model, and it did not fail."""
    origin: int | None = None
    """The attempt with which its tape began; None: the last one."""
    upstream: dict[str, Any] | None = None
    """An answer that its service still has, and how it is asked for."""
    queue: str | None = None
    """Of its jobs; None: the default one."""
    message_id: str | None = None
    """The client's own."""
    queued_at: float | None = None
    reasoning_seconds: float | None = None
    """How long the model has thought in the last attempt; None: not at all, or not known."""
    earlier: list[Earlier] = []
    """Oldest first. Only of a turn that was just taken, to be answered here, and until its prompt is built."""

    @property
    def finished(self) -> bool:
        return self.status in ("done", "error")

    @property
    def agent(self) -> dict[str, Any] | None:
        """What the agent was that was asked (`Agent.snapshot`)."""
        return (self.input or {}).get("agent")

    @property
    def answerer(self) -> str:
        """The name of the model that was asked last, which may be a fallback."""
        return str(self.tries[-1]["model"]) if self.tries else self.model

    def read_tape(self, *, as_it_came: bool = False) -> Tape:
        """The answer as committed; empty while the turn runs. `as_it_came`: cut where the model's parts ended, for
        whoever plays it again. Raises BadTape."""
        return Tape.decode(self.tape, self.part_ends if as_it_came else None) if self.tape else Tape()

    @property
    def restart_reason(self) -> str | None:
        """Why the attempt just claimed is not the first."""
        if self.attempt <= 1:
            return None
        before = self.attempt - 1
        if self.dropped == before:
            return "provider_drop"
        return "handed_over" if self.handed_over == before else "worker_lost"

    def end(self) -> End | None:
        """The terminal event; None while the turn is not finished. Raises BadTape."""
        position = len(self.read_tape())
        if self.status == "done":
            return Done(
                self.attempt,
                position,
                self.finish_reason or "stop",
                self.usage,
                self.served_model,
                self.provider,
                self.raw_finish_reason,
            )
        if self.status == "error":
            return Failed(self.attempt, position, self.error_code or "internal_error", self.error_message or "")
        return None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `sessions`, how many turns it has, and the status of the latest."""

    session_id: str
    title: str
    turns: int
    created_at: float
    updated_at: float
    status: Status


class NewTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked for."""

    session_id: str
    mode: Mode
    model: str
    message: str
    input: dict[str, Any] | None = None
    options: dict[str, Any]
    replaces: int | None = None
    labels: Labels = Labels()
    context: RequestContext = RequestContext()
    owner: str | None = None
    """The API process of a direct turn, which runs from the start; None in queue mode."""
    queue: str | None = None
    """Of its jobs; None: the default one."""
    message_id: str | None = None
    """The client's own: a message that it sends again is no second turn."""
    may_wait: bool = False
    """Whether it waits where its session has a turn that is not finished, rather than be refused."""


class Created(NamedTuple):
    turn: Turn
    position: int
    """Its place in the queue, 1 is next; in direct mode the one that it would have."""
    waits_behind: int = 0
    """So many turns of its session come before it."""
    is_new: bool = True
    """False where its message had come before."""


class Cancelled(NamedTuple):
    turn: Turn
    ended_here: list[Turn]
    """Those that were waiting, and ended by this very call. One that runs ends by its owner."""
