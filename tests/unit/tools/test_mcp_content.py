"""What an MCP server's tool answers, as text."""

from typing import Any

import pytest
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from core.tools.base import ToolOutput
from core.tools.mcp.content import output_of

IMAGE = ImageContent(data="A" * 16_000, mime_type="image/png")
FILE = EmbeddedResource(resource=TextResourceContents(uri="file:///a.txt", text="of a file"))


@pytest.mark.parametrize(
    ("content", "structured", "text"),
    [
        ([TextContent(text="a"), TextContent(text="b")], None, "a\nb"),
        ([TextContent(text="a")], {"is": "the same"}, "a"),
        ([], {"city": "Zürich", "days": [1]}, '{"city":"Zürich","days":[1]}'),
        ([], [1, None], "[1,null]"),
        ([IMAGE], {"width": 3}, '{"width":3}\n[image, image/png, 12 kB]'),
        ([FILE], {"is": "the same"}, "of a file"),
        ([AudioContent(data="A" * 800, mime_type="audio/ogg")], None, "[audio, audio/ogg, 1 kB]"),
        ([ResourceLink(name="Page", uri="https://host/page")], None, "[link to Page: https://host/page]"),
        (
            [EmbeddedResource(resource=BlobResourceContents(uri="file:///a.pdf", blob="A" * 8000))],
            None,
            "[file file:///a.pdf, 6 kB]",
        ),
        ([], None, ""),
    ],
)
def test_content_becomes_text(content: list[ContentBlock], structured: Any, text: str) -> None:
    assert output_of(CallToolResult(content=content, structured_content=structured)) == ToolOutput(text)


def test_an_error_stays_one() -> None:
    result = CallToolResult(content=[TextContent(text="no")], is_error=True)
    assert output_of(result) == ToolOutput("no", is_error=True)
