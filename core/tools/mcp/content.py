"""The result of an MCP server's tool, as text."""

from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic_core import to_json

from core.tools.base import ToolOutput


def output_of(result: CallToolResult) -> ToolOutput:
    """Text as it is; the structured content where there is no text; other content is named."""
    texts = [_text(block) for block in result.content]
    if result.structured_content is not None and not any(map(_is_text, result.content)):
        texts.insert(0, to_json(result.structured_content).decode())
    return ToolOutput("\n".join(texts), result.is_error)


def _is_text(block: ContentBlock) -> bool:
    if isinstance(block, EmbeddedResource):
        return isinstance(block.resource, TextResourceContents)
    return isinstance(block, TextContent)


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return f"[image, {block.mime_type}, {_size(block.data)}]"
        case AudioContent():
            return f"[audio, {block.mime_type}, {_size(block.data)}]"
        case ResourceLink():
            return f"[link to {block.name}: {block.uri}]"
        case EmbeddedResource():
            resource = block.resource
            if isinstance(resource, TextResourceContents):
                return resource.text
            return f"[file {resource.uri}, {_size(resource.blob)}]"


def _size(base64: str) -> str:
    return f"{len(base64) * 3 / 4 / 1000:.0f} kB"
