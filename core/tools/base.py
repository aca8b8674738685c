"""What a tool is: a model calls it by its name, with arguments, and reads what it answers."""

from typing import Any, Protocol

import msgspec

from core.model.errors import HopstreamError

TOOL_NAME_PATTERN = r"^[a-zA-Z0-9_-]{1,64}$"
"""What all services take."""


SPEC_SECONDS = 10.0
"""That a turn waits for what a tool is."""


class ToolSpec(msgspec.Struct, frozen=True):
    """How a tool is shown to a model; `parameters` is the JSON Schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]

    def as_openai(self) -> dict[str, Any]:
        """As OpenAI's chat completions have it, and `Request.tools` of a provider."""
        return {"type": "function", "function": msgspec.structs.asdict(self)}


class ToolCallContext(msgspec.Struct, frozen=True):
    """Which call this is, and whose."""

    session_id: str
    turn: int
    step: int
    number: int
    """Of the call in its step."""
    key_name: str | None = None
    """The name of the API key that asked; None where there are no keys."""

    @property
    def idempotency_key(self) -> str:
        """The same when this call is made once more, because a worker was lost."""
        return f"{self.session_id}.{self.turn}.{self.step}.{self.number}"


class ToolOutput(msgspec.Struct, frozen=True):
    """What the model gets to read."""

    content: str
    is_error: bool = False
    truncated: bool = False
    """Whether there was more of it."""


class ToolError(HopstreamError):
    """A call that failed, in words for the model. Functions that are tools may raise it, too."""

    code = "tool_error"
    status = 502
    title = "A tool failed"


class BadArguments(ToolError):
    """The call was not made: the model can try again with better ones."""

    code = "bad_arguments"
    status = 400
    title = "The arguments do not fit the tool"


class UnknownTool(ToolError):
    code = "unknown_tool"
    status = 404
    title = "There is no such tool"


class Tool(Protocol):
    name: str
    idempotent: bool
    """Whether a call may be made once more when nobody knows what became of it."""

    async def spec(self) -> ToolSpec | None:
        """None while it is not to be had, which the tool logs once."""

    async def call(self, arguments: dict[str, Any], context: ToolCallContext) -> ToolOutput:
        """Raises ToolError, or whatever the tool raises."""
        ...

    def timed_out(self) -> None:
        """A call took longer than it may, and was left."""
