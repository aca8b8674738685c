"""JSON as some services send it: with half characters, NUL, bytes that are no UTF-8, or NaN among the numbers."""

import json
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """As the decoder does, which is fast; leniently where it refuses. Raises ValueError."""
    try:
        return decoder.decode(raw)
    except (ValueError, RecursionError):
        return msgspec.convert(parse(raw), decoder.type)


def parse(raw: bytes) -> Any:
    """What cannot be a character becomes U+FFFD. Raises ValueError for what is no JSON."""
    text = raw.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text)
        if "\\ud" not in text.lower():
            return value
        whole = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return json.loads(whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def clean(text: str) -> str:
    """PostgreSQL takes no NUL."""
    return text.replace("\0", "\ufffd") if "\0" in text else text
