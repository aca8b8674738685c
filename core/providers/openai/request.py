"""A request as the body of OpenAI's chat completions has it."""

from base64 import b64encode
from typing import Any

from core.model.errors import UnsupportedOption
from core.providers.base import ContentPart, Data, FileContent, ImageContent, Message, Request, TextContent
from core.providers.openai.dialect import REASONING, OpenAIDialect


def body_of(request: Request, dialect: OpenAIDialect) -> dict[str, Any]:
    """Raises ProviderError for what the server cannot be asked."""
    options = dict(request.options)
    if "max_tokens" in options:
        options[dialect.limit_name] = options.pop("max_tokens")
    optional: dict[str, Any] = {
        "tools": request.tools,
        "tool_choice": request.tool_choice,
        "response_format": request.response_format,
        "stream_options": {"include_usage": True} if dialect.streams and dialect.has_stream_options else None,
    }
    messages = [_message(message, dialect) for message in request.messages]
    match request.goes_on:
        case "vllm":
            optional |= {"continue_final_message": True, "add_generation_prompt": False}
        case "prefix":
            messages[-1]["prefix"] = True
    return {
        "model": request.model,
        "messages": messages,
        "stream": dialect.streams,
        **{name: value for name, value in optional.items() if value is not None},
        **options,
    }


def _message(message: Message, dialect: OpenAIDialect) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.name is not None:
        wire["name"] = message.name
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["tool_calls"] = [call.as_openai() for call in message.tool_calls]
    if dialect.wants_reasoning and (message.reasoning or message.tool_calls):
        wire[REASONING] = message.reasoning  # also of a call that another model has made, without reasoning
    return wire


def _content(message: Message) -> str | list[dict[str, Any]] | None:
    if isinstance(message.content, str):
        return message.content or (None if message.tool_calls else "")
    return [_part(part) for part in message.content]


def _part(part: ContentPart) -> dict[str, Any]:
    match part:
        case TextContent():
            return {"type": "text", "text": part.text}
        case ImageContent():
            url = _data_url(part.source) if isinstance(part.source, Data) else part.source.url
            detail = {} if part.detail is None else {"detail": part.detail}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case FileContent(Data() as source):
            name = {} if part.name is None else {"filename": part.name}
            return {"type": "file", "file": {"file_data": _data_url(source), **name}}
        case FileContent():
            raise UnsupportedOption("chat completions take a file's data, not its address")


def _data_url(data: Data) -> str:
    """RFC 2397."""
    return f"data:{data.media_type};base64,{b64encode(data.data).decode()}"
