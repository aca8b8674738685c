"""A request as the engine has it."""

from typing import Any

import msgspec

from core.model.errors import UnsupportedOption
from core.providers.base import Message, Request, TextContent
from core.providers.local.protocol import Ask, Options
from core.providers.options import Rename, listed, translated

CACHE = "cache"
"""The member of `provider_options` that sets how an answer is cached: mode, sinks, window; and top_k beside it."""


def ask_of(request: Request) -> Ask:
    """Raises UnsupportedOption."""
    if request.tools and request.tool_choice not in (None, "auto"):
        raise UnsupportedOption("the local engine has no option tool_choice")
    if request.response_format is not None and request.response_format.get("type") != "text":
        raise UnsupportedOption("the local engine has no response_format")
    messages = list(request.messages)
    begun = ""
    if request.goes_on:
        begun = messages.pop().text()
    options = translated(request.options, _OPTIONS, "the local engine")
    return Ask(
        0,
        [_message(message) for message in messages],
        _options(options, request),
        begun,
        request.conversation,
        request.tools or [],
        request.is_whole,
    )


_OPTIONS: dict[str, Rename] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "stop": lambda value: {"stop": listed(value)},
    "seed": "seed",
}


def _options(options: dict[str, Any], request: Request) -> Options:
    own = dict(request.provider_options)
    cache = own.pop(CACHE, {})
    if not isinstance(cache, dict):
        raise UnsupportedOption("provider_options.cache is no object")
    try:
        return msgspec.convert({**options, **own, **cache}, Options)
    except msgspec.ValidationError as error:
        raise UnsupportedOption(f"provider_options of the local engine: {error}") from error


def _message(message: Message) -> dict[str, Any]:
    if not all(isinstance(part, str | TextContent) for part in message.content):
        raise UnsupportedOption("the local engine takes text alone")
    wire: dict[str, Any] = {"role": message.role, "content": message.text()}
    if message.role == "tool":
        return {**wire, "tool_call_id": message.tool_call_id or ""}
    if message.tool_calls:
        wire["tool_calls"] = [call.as_openai() for call in message.tool_calls]
    return wire
