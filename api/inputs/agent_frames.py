"""What a client of `/ws/chat` sends: JSON objects, one in each text message.

Members that are no words of ours are passed over in frames, as clients of other servers send them; in `options` they
are refused by name, for an option that is silently lost is worse than one that is refused.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from api.inputs.chat import SessionId
from api.inputs.messages import MessageText
from core.agents.agent import AGENT_ID_PATTERN
from core.model.errors import HopstreamError
from core.model.sampling import Sampling
from core.model.storable import Storable
from core.providers.catalogue.models import ModelName
from core.store.turns.records import Mode

QUOTED_CHARS = 100
BOTH_SPELLINGS = AliasGenerator(validation_alias=lambda name: AliasChoices(name, to_camel(name)))
"""`agent_id` and `agentId`."""
MessageId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
AgentId = Annotated[str, StringConstraints(pattern=AGENT_ID_PATTERN)]
ControllerName = Annotated[str, StringConstraints(pattern=AGENT_ID_PATTERN)]
"""An agent is a controller by its id."""
LeaseId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class BadFrame(HopstreamError):
    """A frame that cannot be read, or has no place where it comes."""

    code = "bad_frame"
    status = 400
    title = "A frame cannot be read"


class TurnOptions(Sampling):
    """How a turn is to be answered; what is left out is as the handshake or the agent has it."""

    model_config = ConfigDict(alias_generator=BOTH_SPELLINGS, extra="forbid")

    max_tokens: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        strict=True,
        validation_alias=AliasChoices("maxNewTokens", "max_new_tokens", "max_tokens", "maxTokens"),
    )
    model: ModelName | None = None
    mode: Mode | None = None
    on_busy: Literal["wait", "reject"] | None = None
    """What becomes of a message that comes while its conversation has a turn that is not finished."""

    def over(self, others: "TurnOptions") -> "TurnOptions":
        """These, and those of the others that are not among these."""
        return others.model_copy(update=self.model_dump(exclude_none=True))

    def sampling(self) -> dict[str, Any]:
        """As a turn keeps it."""
        return self.model_dump(include=set(Sampling.model_fields), exclude_none=True)


class _Frame(BaseModel):
    model_config = ConfigDict(alias_generator=BOTH_SPELLINGS, extra="ignore")


class Handshake(_Frame):
    """Which agent and conversation the connection is for."""

    type: Literal["handshake"] = "handshake"
    agent_id: AgentId
    conversation_id: SessionId | None = None
    options: TurnOptions = Field(default_factory=TurnOptions)
    protocol: Literal[1] | None = None
    """Without it the client is taken to know the events alone that the first clients knew."""
    resume: str | None = None
    """The id of the last frame that it has."""
    narrator_seq: int | None = Field(None, ge=0, strict=True)
    """The last narration that it has."""


class TurnMessage(_Frame):
    """A message of the user's."""

    type: Literal["message"] = "message"
    message: MessageText
    message_id: MessageId | None = None
    agent_id: AgentId | None = None
    conversation_id: SessionId | None = None
    options: TurnOptions = Field(default_factory=TurnOptions)

    @model_validator(mode="before")
    @classmethod
    def _by_its_first_name(cls, frame: Any) -> Any:
        if isinstance(frame, dict) and "user_message" in frame and "message" not in frame:
            return {**frame, "message": frame["user_message"]}
        return frame


class StopFrame(_Frame):
    type: Literal["stop"]
    turn: int | None = Field(None, ge=1, le=1_000_000_000, strict=True)


class PingFrame(_Frame):
    type: Literal["ping", "pong"]
    t: Annotated[str | int | float | None, Storable] = None


class RegisterFrame(_Frame):
    """The connection is to hold a controller's lease."""

    type: Literal["register"]
    controller: ControllerName
    lease_id: LeaseId | None = None
    """Of the lease that it had before, or that was taken otherwise."""
    takeover: bool = Field(False, strict=True)
    """Even if another one holds it."""


class NarrationFrame(_Frame):
    """What a controller has to say to an event."""

    type: Literal["narration"]
    event_id: int = Field(ge=1, strict=True)
    message: MessageText


ClientFrame = TurnMessage | StopFrame | PingFrame | RegisterFrame | NarrationFrame
_BY_TYPE: dict[str, type[ClientFrame]] = {
    "message": TurnMessage,
    "stop": StopFrame,
    "ping": PingFrame,
    "pong": PingFrame,
    "register": RegisterFrame,
    "narration": NarrationFrame,
}
Read = TypeVar("Read", bound=BaseModel)


class SecondHandshake(BadFrame):
    code = "second_handshake"
    status = 409
    title = "The connection has had its handshake"


class BadHandshake(BadFrame):
    code = "bad_handshake"
    status = 422
    title = "The handshake cannot be read"


def decode_frame(text: str) -> dict[str, Any]:
    """Raises BadFrame."""
    try:
        frame = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BadFrame(f"a frame is one JSON object: {error}") from error
    if not isinstance(frame, dict):
        raise BadFrame("a frame is one JSON object")
    return frame


def has_message(frame: dict[str, Any]) -> bool:
    """A first frame may bring its message along: the first clients know no handshake."""
    return "user_message" in frame or "message" in frame


def read_handshake(frame: dict[str, Any]) -> Handshake:
    """Raises BadHandshake."""
    try:
        return _read(Handshake, {name: value for name, value in frame.items() if name != "type"})
    except BadFrame as error:
        raise BadHandshake(f"the first frame has to name an agent: {error.message}") from error


def read_message(frame: dict[str, Any]) -> TurnMessage:
    """Raises BadFrame."""
    return _read(TurnMessage, {**frame, "type": "message"})


def read_frame(frame: dict[str, Any]) -> ClientFrame:
    """Of one that comes after the handshake. Raises BadFrame, SecondHandshake."""
    kind = frame.get("type", "message" if has_message(frame) else "handshake")
    if kind == "handshake":
        raise SecondHandshake("the connection has had its handshake; a user's turn has a `message`")
    if not isinstance(kind, str) or kind not in _BY_TYPE:
        raise BadFrame(f"there is no frame of the type {str(kind)[:40]!r}; there are {', '.join(_BY_TYPE)}")
    return _read(_BY_TYPE[kind], frame)


def _read(kind: type[Read], frame: dict[str, Any]) -> Read:
    try:
        return kind.model_validate(frame)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, wrong["loc"]))[:QUOTED_CHARS]
        message = wrong["msg"].removeprefix("Value error, ")
        raise BadFrame(f"{field}: {message}" if field else message, field=field or None) from error
