"""What a message says, where it is more than a text: lists of parts, thoughts in pieces."""

from collections.abc import Iterator
from typing import Any

from core.model.parts import Part, Reasoning, Refusal, Text
from core.providers.http.lenient_json import clean

_MAX_DEPTH = 4
_TEXTS = ("text", "thinking", "reasoning", "content", "summary", "value")
"""Where a part has its text, or the parts that have it."""
_THOUGHTS = frozenset({"thinking", "reasoning", "thought"})


def parts_of(content: Any) -> list[Part]:
    """Of a list of parts; those of unknown kinds are passed over. Raises ValueError for what can be no content."""
    match content:
        case list():
            return [part for each in content for part in parts_of(each)]
        case str():
            return [Text(clean(content))]
        case {"type": "refusal", "refusal": str(text)}:
            return [Refusal(clean(text))]
        case {"type": str(kind)} if kind in _THOUGHTS:
            return reasoning_of(content)
        case {"type": "text" | "output_text", "text": text} | {"text": text}:
            return [Text(clean(piece)) for piece in _texts(text)]
        case dict() | None:
            return []
        case _:
            raise ValueError("no content of a message")


def reasoning_of(thought: Any) -> list[Part]:
    """Of a text, or of parts. What is encrypted has no text."""
    return [Reasoning(clean(piece)) for piece in _texts(thought)]


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    match value:
        case str():
            if value:
                yield value
        case list() if depth < _MAX_DEPTH:
            for each in value:
                yield from _texts(each, depth + 1)
        case dict() if depth < _MAX_DEPTH:
            for key in _TEXTS:
                if key in value:
                    yield from _texts(value[key], depth + 1)
                    return
