"""A request as the body of OpenAI's responses has it, in background mode: the service goes on while nobody listens."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from core.model.errors import UnsupportedOption
from core.providers.base import ContentPart, Data, FileContent, ImageContent, Link, Message, Request, TextContent
from core.providers.options import Rename, schema_of, translated


def body_of(request: Request, *, streams: bool = True) -> dict[str, Any]:
    """Raises UnsupportedOption."""
    optional = {
        "tools": [_tool(tool) for tool in request.tools] if request.tools else None,
        "tool_choice": _tool_choice(request.tool_choice) if request.tools else None,
        "text": {"format": _format(request.response_format)} if request.response_format is not None else None,
    }
    return {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message)],
        "stream": streams,
        "background": True,
        "store": True,
        **translated(request.options, _OPTIONS, "OpenAI's responses"),
        **{name: value for name, value in optional.items() if value is not None},
    }


_OPTIONS: dict[str, Rename] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": lambda value: {"reasoning": {"effort": value, "summary": "auto"}},
}


def _items(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.text()}
        return
    if isinstance(message.content, str):
        if message.content:
            yield {"role": message.role, "content": message.content}
    else:
        yield {"role": message.role, "content": [_part(part, message.role) for part in message.content]}
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _part(part: ContentPart, role: str) -> dict[str, Any]:
    match part:
        case TextContent():
            return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
        case ImageContent():
            url = _data_url(part.source) if isinstance(part.source, Data) else part.source.url
            return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
        case FileContent(Data() as source):
            return {"type": "input_file", "file_data": _data_url(source), "filename": part.name or "file"}
        case FileContent(Link(url)):
            return {"type": "input_file", "file_url": url}
        case _:
            raise UnsupportedOption("OpenAI's responses take texts, images and files")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function", tool)
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    named = {name: function[name] for name in ("name", "description") if function.get(name) is not None}
    return {"type": "function", **named, "parameters": parameters, "strict": bool(function.get("strict"))}


def _tool_choice(choice: str | dict[str, Any] | None) -> Any:
    if not isinstance(choice, dict):
        return choice
    return {"type": "function", "name": choice.get("function", choice).get("name")}


def _format(wanted: dict[str, Any]) -> dict[str, Any]:
    if wanted.get("type") != "json_schema":
        return wanted
    named = wanted.get("json_schema", wanted)
    more = {name: named[name] for name in ("description", "strict") if named.get(name) is not None}
    return {"type": "json_schema", "name": named.get("name", "answer"), "schema": schema_of(wanted), **more}


def _data_url(data: Data) -> str:
    """RFC 2397."""
    return f"data:{data.media_type};base64,{b64encode(data.data).decode()}"
