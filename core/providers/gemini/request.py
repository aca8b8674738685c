"""A request as the body of Gemini's streamGenerateContent has it."""

import re
from base64 import b64encode
from mimetypes import guess_type
from typing import Any
from urllib.parse import urlsplit

from core.model.errors import UnsupportedOption
from core.providers.base import ContentPart, Data, Message, Request, TextContent
from core.providers.gemini.chunks import SIGNATURE
from core.providers.options import Rename, listed, schema_of, translated

NO_SIGNATURE = "skip_thought_signature_validator"
"""In place of the signature of a call that has none: it came in a caller's messages, or from another model. Source:
"Thought signatures" of the Gemini API's guides."""
_UNSIGNED = re.compile(r"(^|[/-])gemini-[12]\b")
"""Models from before there were signatures."""
_TOOL_CHOICES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def body_of(request: Request) -> dict[str, Any]:
    """Raises UnsupportedOption."""
    config = translated(request.options, _OPTIONS, "Gemini")
    if request.response_format is not None:
        config |= _format(request.response_format)
    system = [message.text() for message in request.messages if message.role == "system" and message.text()]
    members: dict[str, Any] = {
        "contents": _contents(request.messages, wants_signatures=not _UNSIGNED.search(request.model)),
        "systemInstruction": {"parts": [{"text": text} for text in system]} if system else None,
        "generationConfig": config or None,
        "tools": [{"functionDeclarations": [_tool(tool) for tool in request.tools]}] if request.tools else None,
        "toolConfig": _tool_config(request.tool_choice) if request.tools and request.tool_choice is not None else None,
    }
    return {name: value for name, value in members.items() if value is not None}


def _effort(value: str) -> dict[str, Any]:
    if value == "none":
        return {"thinkingConfig": {"thinkingBudget": 0}}
    return {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": value}}


_OPTIONS: dict[str, Rename] = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_tokens": "maxOutputTokens",
    "stop": lambda value: {"stopSequences": listed(value)},
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "reasoning_effort": _effort,
}


def _contents(messages: list[Message], *, wants_signatures: bool) -> list[dict[str, Any]]:
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    contents: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(message, names)
        if wants_signatures:
            _sign(parts)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _parts(message: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        call_id = message.tool_call_id or ""
        response = {"id": call_id, "name": names.get(call_id, ""), "response": {"result": message.text()}}
        return [{"functionResponse": response}]
    if isinstance(message.content, str):
        parts = [{"text": message.content}] if message.content else []
    else:
        parts = [_part(part) for part in message.content]
    signatures = {thought.text: thought.data for thought in message.thoughts if thought.kind == SIGNATURE}
    for call in message.tool_calls:
        wire: dict[str, Any] = {"functionCall": {"id": call.id, "name": call.name, "args": call.object()}}
        if call.id in signatures:
            wire["thoughtSignature"] = signatures[call.id]
        parts.append(wire)
    return parts


def _sign(parts: list[dict[str, Any]]) -> None:
    """The first of the calls that came together has the signature of them all."""
    calls = [part for part in parts if "functionCall" in part]
    if calls and not any("thoughtSignature" in part for part in calls):
        calls[0]["thoughtSignature"] = NO_SIGNATURE


def _part(part: ContentPart) -> dict[str, Any]:
    if isinstance(part, TextContent):
        return {"text": part.text}
    if isinstance(part.source, Data):
        source = part.source
        return {"inlineData": {"mimeType": source.media_type, "data": b64encode(source.data).decode()}}
    media_type, _ = guess_type(urlsplit(part.source.url).path)
    if media_type is None:
        raise UnsupportedOption("Gemini has to be told what kind of file there is, which this address does not")
    return {"fileData": {"fileUri": part.source.url, "mimeType": media_type}}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function", tool)
    named = {name: function[name] for name in ("name", "description") if function.get(name) is not None}
    schema = function.get("parameters")
    return {**named, "parametersJsonSchema": schema} if schema else named


def _tool_config(choice: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"functionCallingConfig": {"mode": _TOOL_CHOICES.get(choice, "AUTO")}}
    name = choice.get("function", choice).get("name")
    return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}


def _format(wanted: dict[str, Any]) -> dict[str, Any]:
    match wanted.get("type"):
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "json_schema":
            schema = schema_of(wanted)
            return {"responseMimeType": "application/json", "responseJsonSchema": schema}
        case "text":
            return {}
        case kind:
            raise UnsupportedOption(f"Gemini has no response_format {kind}")
