"""What is measured."""

from pathlib import Path
from typing import NamedTuple


class Given(NamedTuple):
    model: Path
    """A folder, or a GGUF file."""
    folder: Path
    """Where what is converted is kept."""
    dtypes: tuple[str, ...]
    """Of throughput; all else is in the first of them."""
    context: int
    """Tokens that the cache has room for."""
    answer: int
    """Tokens of each session's answer."""
    tokens: int
    """Of the long text."""
    generated: int
    """By the tiny model."""
    runs: int
