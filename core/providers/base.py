"""What a provider is: something that answers a conversation with parts, and then says how it finished."""

from collections.abc import AsyncGenerator, Awaitable
from typing import Any, Literal, Protocol, Self

import msgspec

from core.model.events import Usage
from core.model.parts import Part

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


Item = list[Part] | Finish


class Stream:
    """An answer as it comes: parts in order, those together that came together; then exactly one Finish.

    Raises ProviderError before the first part, ProviderDropped after it.
    """

    def __init__(self, items: AsyncGenerator[Item]) -> None:
        self._items = items

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[Item]:
        return self._items.__anext__()

    def ready_parts(self) -> list[Part]:
        """What has come since the last item, without waiting.

        Empty where nothing has, where something else than parts is next, and where a provider can do nothing but wait.
        """
        return []

    def hold(self) -> None:
        """Leave what comes in the kernel until `release`, where that can be done: to read it at once is cheaper."""

    def release(self) -> None: ...

    async def aclose(self) -> None:
        await self._items.aclose()


class Provider(Protocol):
    name: str

    def stream(self, request: Request) -> Stream: ...

    async def close(self) -> None: ...
