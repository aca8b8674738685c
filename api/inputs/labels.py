"""Labels: what a turn belongs to, in its caller's words."""

from typing import Annotated

from pydantic import AfterValidator, Field

from core.model.storable import Storable, check_line

MAX_LABEL_CHARS = 128
MAX_PAIRS = 16
MAX_NAME_CHARS = 64
MAX_VALUE_CHARS = 512

Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARS), AfterValidator(check_line)]
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
