"""Labels: what a turn belongs to, in its caller's words."""

from typing import Annotated
from unicodedata import category

from pydantic import AfterValidator, Field

from core.model.storable import Storable

MAX_LABEL_CHARS = 128
MAX_PAIRS = 16
MAX_NAME_CHARS = 64
MAX_VALUE_CHARS = 512

_CONTROL = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters, and ends of lines and paragraphs."""


def _check_label(label: str) -> str:
    if not label.strip():
        raise ValueError("must not be blank")
    if any(category(character) in _CONTROL for character in label):
        raise ValueError("must not contain control characters")
    return label


Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARS), AfterValidator(_check_label)]
Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)],
        Annotated[str, Field(max_length=MAX_VALUE_CHARS)],
    ],
    Field(max_length=MAX_PAIRS),
    Storable,
]


def split_pair(pair: str) -> tuple[str, str]:
    """A name and a value of metadata, written `name:value`. Raises ValueError."""
    name, colon, value = pair.partition(":")
    if not name or not colon:
        raise ValueError("must be name:value")
    return name, value
