"""A request as the body of Ollama's chat API has it."""

from base64 import b64encode
from typing import Any

from core.model.errors import UnsupportedOption
from core.providers.base import ContentPart, Data, ImageContent, Message, Request, TextContent
from core.providers.options import Rename, listed, schema_of, translated


def body_of(request: Request, *, streams: bool = True) -> dict[str, Any]:
    """Raises UnsupportedOption."""
    names = {call.id: call.name for message in request.messages for call in message.tool_calls}
    options = translated(request.options, _OPTIONS, "Ollama")
    members: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message, names) for message in request.messages],
        "stream": streams,
        "think": options.pop("think", None),
        "options": options or None,
        "tools": request.tools or None,
        "format": _format(request.response_format) if request.response_format is not None else None,
    }
    if request.tools and request.tool_choice not in (None, "auto"):
        raise UnsupportedOption("Ollama has no option tool_choice")
    return {name: value for name, value in members.items() if value is not None}


_OPTIONS: dict[str, Rename] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "num_predict",
    "stop": lambda value: {"stop": listed(value)},
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "reasoning_effort": lambda value: {"think": False if value == "none" else "low" if value == "minimal" else value},
}


def _message(message: Message, names: dict[str, str]) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.text()}
    if message.role == "tool":
        call_id = message.tool_call_id or ""
        return {**wire, "tool_name": names.get(call_id, ""), "tool_call_id": call_id}
    if images := [_image(part) for part in message.content if not isinstance(part, TextContent | str)]:
        wire["images"] = images
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": call.object()}} for call in message.tool_calls
        ]
    return wire


def _image(part: ContentPart) -> str:
    if isinstance(part, ImageContent) and isinstance(part.source, Data):
        return b64encode(part.source.data).decode()
    raise UnsupportedOption("Ollama takes images as data, and no files")


def _format(wanted: dict[str, Any]) -> Any:
    match wanted.get("type"):
        case "json_object":
            return "json"
        case "json_schema":
            return schema_of(wanted)
        case "text":
            return None
        case kind:
            raise UnsupportedOption(f"Ollama has no response_format {kind}")
