"""A request as the body of Anthropic's messages has it."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from core.model.errors import UnsupportedOption
from core.providers.anthropic.events import REDACTED, SIGNATURE
from core.providers.base import (
    ContentPart,
    Data,
    FileContent,
    ImageContent,
    Link,
    Message,
    Request,
    TextContent,
    Thought,
)
from core.providers.options import Rename, listed, schema_of, translated

_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
_EFFORTS = {"minimal": "low"}
_TOOL_CHOICES = {"auto": {"type": "auto"}, "required": {"type": "any"}, "none": {"type": "none"}}


def body_of(request: Request, max_tokens: int, *, streams: bool = True) -> dict[str, Any]:
    """`max_tokens`: for one that names no limit. Raises UnsupportedOption."""
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": max_tokens,
        "messages": _messages(request.messages),
        "stream": streams,
        **translated(request.options, _OPTIONS, "Anthropic"),
    }
    if system := [message.text() for message in request.messages if message.role == "system" and message.text()]:
        body["system"] = "\n\n".join(system)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.tools and request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.response_format not in (None, {"type": "text"}):
        body["output_config"] = {**body.get("output_config", {}), "format": _format(request.response_format)}
    return body


def _effort(value: str) -> dict[str, Any]:
    if value == "none":
        return {"thinking": {"type": "disabled"}}
    return {
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": _EFFORTS.get(value, value)},
    }


_OPTIONS: dict[str, Rename] = {
    "max_tokens": "max_tokens",
    "stop": lambda value: {"stop_sequences": listed(value)},
    "reasoning_effort": _effort,
    "temperature": "temperature",
    "top_p": "top_p",
}
"""What an API of a later version refuses, it names itself."""


def _messages(messages: list[Message]) -> list[dict[str, Any]]:
    """Users and the assistant take turns; the results of tools are a user's."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [*_blocks(message)]
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {"type": "tool_result", "tool_use_id": _call_id(message.tool_call_id or ""), "content": message.text()}
        return
    yield from map(_thought, (thought for thought in message.thoughts if thought.kind in (SIGNATURE, REDACTED)))
    if isinstance(message.content, str):
        if not _is_blank(TextContent(message.content)):
            yield {"type": "text", "text": message.content}
    else:
        yield from (_part(part) for part in message.content if not _is_blank(part))
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": _call_id(call.id), "name": call.name, "input": call.object()}


def _call_id(call_id: str) -> str:
    """Other services use signs in theirs that this one refuses."""
    if _CALL_ID.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.blake2b(call_id.encode(), digest_size=12).hexdigest()}"


def _thought(thought: Thought) -> dict[str, Any]:
    if thought.kind == REDACTED:
        return {"type": "redacted_thinking", "data": thought.data}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.data}


def _is_blank(part: ContentPart) -> bool:
    """The service refuses such a text."""
    return isinstance(part, TextContent) and not part.text.strip()


def _part(part: ContentPart) -> dict[str, Any]:
    match part:
        case TextContent():
            return {"type": "text", "text": part.text}
        case ImageContent():
            return {"type": "image", "source": _source(part.source)}
        case FileContent():
            name = {} if part.name is None else {"title": part.name}
            return {"type": "document", "source": _source(part.source), **name}


def _source(source: Link | Data) -> dict[str, Any]:
    """Documents in Base64 are PDFs; others are texts."""
    if isinstance(source, Data):
        if source.media_type.startswith("text/"):
            return {"type": "text", "media_type": "text/plain", "data": source.data.decode("utf-8", "replace")}
        data = b64encode(source.data).decode()
        return {"type": "base64", "media_type": source.media_type, "data": data}
    return {"type": "url", "url": source.url}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function", tool)
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    named = {name: function[name] for name in ("name", "description", "strict") if function.get(name) is not None}
    return {**named, "input_schema": schema}


def _tool_choice(choice: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        return dict(_TOOL_CHOICES.get(choice, _TOOL_CHOICES["auto"]))
    return {"type": "tool", "name": choice.get("function", choice).get("name")}


def _format(wanted: dict[str, Any]) -> dict[str, Any]:
    if wanted.get("type") != "json_schema":
        raise UnsupportedOption(f"Anthropic has no response_format {wanted.get('type')}, only json_schema")
    return {"type": "json_schema", "schema": schema_of(wanted)}
