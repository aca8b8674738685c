"""Texts that every database takes, wherever in a value they are."""

from collections.abc import Iterator
from typing import Any
from unicodedata import category

from pydantic import AfterValidator, BaseModel

MAX_DEPTH = 64
"""Of a value, a tool's or a format's JSON Schema say."""
_CONTROL = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters, and ends of lines and paragraphs."""


def check_storable(value: Any) -> Any:
    """Raises ValueError for what no database takes (NUL, halves of characters), and for more than MAX_DEPTH levels."""
    for text in _texts(value):
        if "\0" in text:
            raise ValueError("must not contain NUL characters")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError("must not contain half characters") from error
    return value


Storable = AfterValidator(check_storable)


def check_line(text: str) -> str:
    """Raises ValueError for what is no name that people could read on one line."""
    if not text.strip():
        raise ValueError("must not be blank")
    if any(category(character) in _CONTROL for character in text):
        raise ValueError("must not contain control characters")
    return text


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Raises ValueError."""
    if depth > MAX_DEPTH:
        raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield str(key)
                yield from _texts(each, depth + 1)
        case list():
            for each in value:
                yield from _texts(each, depth + 1)
        case BaseModel():
            for _, each in value:
                yield from _texts(each, depth + 1)
