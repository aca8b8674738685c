"""What a provider is: something that answers a conversation with parts, and then says how it finished."""

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

import msgspec

from core.events import Usage
from core.tape import Part

Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True):
    role: Role
    content: str


class Request(msgspec.Struct, frozen=True):
    """`options` are those of OpenAI's chat completions; `attempt` is the turn's, for scripted behaviours."""

    model: str
    messages: list[Message]
    options: dict[str, Any] = {}
    attempt: int = 1


class Finish(msgspec.Struct, frozen=True):
    """`reason` is stop, length or tool_calls, or what the service said."""

    reason: str
    usage: Usage | None = None


class Provider(Protocol):
    name: str

    def stream(self, request: Request) -> AsyncIterator[list[Part] | Finish]:
        """Parts in order, those together that came together; then exactly one Finish.

        Raises ProviderError before the first part, ProviderDropped after it.
        """
        ...

    async def close(self) -> None: ...
