"""Messages, tools and formats of an answer as OpenAI's chat completions have them, and as a turn keeps them."""

from base64 import b64decode
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_MESSAGES = 1000
MAX_TOOLS = 128
_DATA_URL = r"^data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/]+={0,2}$"

Id = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]


def _check_data(url: str) -> str:
    """Raises ValueError."""
    if url.startswith("data:"):
        b64decode(url.partition(",")[2], validate=True)
    return url


def _check_message(message: str) -> str:
    if not message.strip():
        raise ValueError("must not be blank")
    if "\0" in message:
        raise ValueError("must not contain NUL characters")
    return message


MessageText = Annotated[str, Field(min_length=1), AfterValidator(_check_message)]
"""Of a user's."""


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextPart(_Input):
    type: Literal["text"]
    text: str

    def stored(self) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


class ImageUrl(_Input):
    url: Annotated[str, StringConstraints(pattern=rf"^https?://\S+$|{_DATA_URL}"), AfterValidator(_check_data)]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(_Input):
    """By its address, which the model's service fetches, or as a data URL."""

    type: Literal["image_url"]
    image_url: ImageUrl

    def stored(self) -> dict[str, Any]:
        url = self.image_url.url
        detail = {} if self.image_url.detail is None else {"detail": self.image_url.detail}
        source = _data_of(url) if url.startswith("data:") else {"type": "url", "url": url}
        return {"type": "image", "source": source, **detail}


class File(_Input):
    file_data: Annotated[str, StringConstraints(pattern=_DATA_URL), AfterValidator(_check_data)]
    filename: Annotated[str, StringConstraints(max_length=255)] | None = None


class FilePart(_Input):
    type: Literal["file"]
    file: File

    def stored(self) -> dict[str, Any]:
        name = {} if self.file.filename is None else {"name": self.file.filename}
        return {"type": "file", "source": _data_of(self.file.file_data), **name}


class CalledFunction(_Input):
    name: Name
    arguments: str


class CalledTool(_Input):
    id: Id
    type: Literal["function"] = "function"
    function: CalledFunction


class InputMessage(_Input):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]] | None = None
    name: Name | None = None
    tool_calls: Annotated[list[CalledTool], Field(max_length=MAX_TOOLS)] | None = Field(
        None, description="An assistant's."
    )
    tool_call_id: Id | None = Field(None, description="Of a tool's: which call it answers.")
    reasoning_content: str | None = Field(
        None, description="Of an assistant's: what it thought, for services that want it back with its tool_calls."
    )
    refusal: str | None = Field(None, description="Of an assistant's. Neither this nor what follows is passed on.")
    annotations: Annotated[list[Any], Field(max_length=MAX_MESSAGES)] | None = None
    audio: None = None
    function_call: None = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> "InputMessage":
        if (self.role == "tool") != (self.tool_call_id is not None):
            raise ValueError("a message of the role tool has a tool_call_id, and no other has")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls are an assistant's")
        if self.reasoning_content is not None and self.role != "assistant":
            raise ValueError("reasoning_content is an assistant's")
        listed = self.content if isinstance(self.content, list) else []
        if self.role not in ("user", "assistant") and not all(isinstance(part, TextPart) for part in listed):
            raise ValueError(f"a message of the role {self.role} has texts alone")
        if not self.content and not self.refusal and not self.tool_calls and self.role != "tool":
            raise ValueError("a message has content, or tool_calls")
        return self

    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if isinstance(part, TextPart))
        return self.content or ""

    def stored(self) -> dict[str, Any]:
        """As `core.providers.base.Message` reads it."""
        content = self.content
        calls = self.tool_calls or []
        optional = {
            "name": self.name,
            "tool_call_id": self.tool_call_id,
            "reasoning": self.reasoning_content,
            "tool_calls": [{"id": call.id, **call.function.model_dump()} for call in calls] or None,
        }
        return {
            "role": "system" if self.role == "developer" else self.role,
            "content": [part.stored() for part in content] if isinstance(content, list) else content or "",
            **{name: value for name, value in optional.items() if value is not None},
        }


class Function(_Input):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON Schema of its arguments.")
    strict: bool | None = None


class Tool(_Input):
    type: Literal["function"]
    function: Function


class ChosenFunction(_Input):
    name: Name


class ChosenTool(_Input):
    type: Literal["function"]
    function: ChosenFunction


class JsonSchema(_Input):
    name: Name
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(_Input):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> "ResponseFormat":
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema goes with the type json_schema")
        return self


def _data_of(url: str) -> dict[str, Any]:
    """Of a data URL (RFC 2397)."""
    head, _, data = url.partition(",")
    return {"type": "data", "media_type": head.removeprefix("data:").removesuffix(";base64"), "data": data}
