"""A tool that counts: each call leaves a line when it begins, and one when it has done its work."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from core.tools.base import ToolCallContext

FILE = "COUNTING_TOOL_FILE"
"""The variable that names the file."""
WORK_SECONDS = 0.2


async def note(query: str, context: ToolCallContext, limit: int = 1) -> str:
    """Notes what is asked for."""
    file = Path(os.environ[FILE])
    _write(file, "begun", context)
    await asyncio.sleep(WORK_SECONDS)
    _write(file, "done", context)
    return f"noted {query} by {context.idempotency_key}"


class Counts(NamedTuple):
    """By the key of a call."""

    begun: Counter[str]
    done: Counter[str]


def read_counts(file: Path) -> Counts:
    lines = [line.split(" ", 1) for line in file.read_text().splitlines()]
    return Counts(*(Counter(key for word, key in lines if word == kind) for kind in ("begun", "done")))


def _write(file: Path, word: str, context: ToolCallContext) -> None:
    """One line in one write, so that many processes can share the file (POSIX, O_APPEND)."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{word} {context.idempotency_key}\n".encode())
    finally:
        os.close(descriptor)
