"""A conversation with everything that it may have."""

from typing import Any

from core.providers.base import Data, ImageContent, Message, Request, TextContent, ToolCallRequest

PNG = ImageContent(Data("image/png", b"png"))
CALLS = [ToolCallRequest("1", "now", '{"in": "UTC"}'), ToolCallRequest("2", "later", '{"cut')]
CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", "What time is it?"),
    Message("assistant", "Let me see.", CALLS),
    Message("tool", "noon", tool_call_id="1"),
    Message("tool", "never", tool_call_id="2"),
    Message("user", [TextContent("And here?"), PNG]),
]
TOOL = {
    "type": "function",
    "function": {
        "name": "now",
        "description": "Tells the time.",
        "parameters": {"type": "object", "properties": {"in": {"type": "string"}}},
    },
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
WANTED = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
OPTIONS = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 50, "stop": "END", "reasoning_effort": "low"}


def asking(**more: Any) -> Request:
    fields = {"messages": CONVERSATION, "options": OPTIONS, "tools": [TOOL], "tool_choice": "required", **more}
    return Request("m", **fields)
