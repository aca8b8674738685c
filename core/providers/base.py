"""What a provider is: it is asked with a conversation, answers with parts, and then says how it finished."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Literal, Protocol, Self, runtime_checkable

import msgspec

from core.model.events import Usage
from core.model.model_states import EngineState
from core.model.parts import Part

GoesOn = Literal[True, False, "vllm", "prefix"]
"""How a service is asked to go on with an answer: by a last message of the assistant's, at some by more than that."""
Role = Literal["system", "user", "assistant", "tool"]


class Link(msgspec.Struct, frozen=True, tag="url", tag_field="type"):
    """Content that the model's service fetches; nothing is fetched here."""

    url: str


class Data(msgspec.Struct, frozen=True, tag="data", tag_field="type"):
    """Content that is sent along. In JSON, `data` is Base64."""

    media_type: str
    data: bytes


class TextContent(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    text: str


class ImageContent(msgspec.Struct, frozen=True, tag="image", tag_field="type"):
    source: Link | Data
    detail: str | None = None
    """How closely to look, where a service lets one choose."""


class FileContent(msgspec.Struct, frozen=True, tag="file", tag_field="type"):
    source: Link | Data
    name: str | None = None


ContentPart = TextContent | ImageContent | FileContent


class ToolCallRequest(msgspec.Struct, frozen=True):
    """A call that the model asked for in an earlier answer; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str

    def as_openai(self) -> dict[str, Any]:
        """As OpenAI's chat completions have it. Servers that read the arguments refuse the whole conversation for what
        is no object."""
        arguments = self.arguments if self.object() else "{}"
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": arguments}}

    def object(self) -> dict[str, Any]:
        """The arguments as most services take them; none where they are no object, or were cut off."""
        try:
            value = json.loads(self.arguments)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Thought(msgspec.Struct, frozen=True):
    """What a service gave with its answer for itself alone, see `core.model.parts.Opaque`. `text`: the reasoning that
    it belongs to, or the id of the call."""

    kind: str
    data: str
    text: str = ""


class Message(msgspec.Struct, frozen=True):
    """`tool_calls` are an assistant's; a message of the role `tool` is the result of the one that `tool_call_id` names.
    `name` tells participants of one role apart; `reasoning` is what an assistant that called tools has thought, and
    `thoughts` what is wanted back of it, in order."""

    role: Role
    content: str | list[ContentPart] = ""
    tool_calls: list[ToolCallRequest] = []
    tool_call_id: str | None = None
    name: str | None = None
    thoughts: list[Thought] = []
    reasoning: str = ""

    def text(self) -> str:
        """What of its content is text."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextContent))


class Kept(msgspec.Struct, frozen=True):
    """An answer that its service keeps, and goes on with while nobody listens."""

    id: str
    sequence_number: int = 0
    """Of the last event that was read."""
    position: int = 0
    """The length of all parts up to there."""


class Request(msgspec.Struct, frozen=True):
    """`options`, `tools`, `tool_choice` and `response_format` are JSON values, as OpenAI's chat completions have them.
    `attempt` is the turn's, for scripted behaviours."""

    model: str
    messages: list[Message]
    options: dict[str, Any] = {}
    attempt: int = 1
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    provider_options: dict[str, Any] = {}
    """Members of the service's own request, set as they are."""
    goes_on: GoesOn = False
    """Whether the last message is what there is of the answer, and how the rest of it is asked for."""
    kept: Kept | None = None
    """An answer that is to be fetched, from there on, in place of a new one."""
    conversation: str = ""
    """Whose it is, for a provider that keeps what it has read of one."""
    is_whole: bool = False
    """What is not among the messages is to be forgotten; else early ones may have been left out for want of room."""
    on_kept: Callable[[Kept], None] | None = None
    """Told at once when the service has begun an answer that it keeps."""


class Told(msgspec.Struct, frozen=True):
    """What the model's service tells about an answer."""

    usage: Usage | None = None
    model: str | None = None
    """Which one answers: perhaps another than was asked for."""
    kept: Kept | None = None
    """From where it could be fetched again."""


class Finish(msgspec.Struct, frozen=True):
    """`reason` is stop, length, tool_calls or content_filter, or what the service said; `raw` is its own word, where it
    told one."""

    reason: str
    told: Told = Told()
    raw: str | None = None


Item = list[Part] | Finish


class Stream(ABC):
    """An answer as it comes: parts in order, those together that came together; then exactly one Finish.

    Raises ProviderError before the first part; after it ProviderDropped where another attempt may help, else
    ProviderError. One that has ended, has failed or was closed keeps nothing open.
    """

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    def __anext__(self) -> Awaitable[Item]: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Leave the answer where it is; may be called again."""

    async def cancel(self) -> None:
        """Leave it, and tell the service that nobody wants the rest, where it would go on by itself."""
        await self.aclose()

    def told(self) -> Told:
        """What the service has told so far, which is all that is known of an answer that was left."""
        return Told()

    def ready_parts(self) -> list[Part]:
        """What has come since the last item, without waiting. Not to be called while an item is waited for.

        Empty where nothing has, where something else than parts is next, and where a provider can do nothing but wait.
        """
        return []


class GeneratedStream(Stream):
    """The items of a generator."""

    def __init__(self, items: AsyncGenerator[Item]) -> None:
        self._items = items

    def __anext__(self) -> Awaitable[Item]:
        return self._items.__anext__()

    async def aclose(self) -> None:
        await self._items.aclose()


class Access(msgspec.Struct, frozen=True):
    """How a provider's service is reached; what is None is the provider's own."""

    key: str | None = None
    base_url: str | None = None


class Provider(Protocol):
    """Beside these, a provider's class says by itself how one is made of the settings (`core.providers.catalogue`)."""

    name: str

    def prepare(self) -> None:
        """Called in a thread while the process starts: imports and the like, which the first answer would wait for."""

    def stream(self, request: Request) -> Stream: ...

    async def close(self) -> None:
        """May be called again."""


@runtime_checkable
class EngineProvider(Protocol):
    """A provider whose models are loaded by an engine on this machine, before they can answer."""

    def load(self) -> None:
        """Begin with the model that most questions are for, if there is one: the first would wait for it."""

    def state(self, model: str) -> EngineState | None:
        """None: nobody has asked for it here."""
