"""A tool that answers once it may: what a test does until then, it does in the middle of a call."""

import asyncio
import os
from pathlib import Path

FOLDER = "HELD_TOOL_FOLDER"
"""The variable that names the folder."""
POLL_SECONDS = 0.02


async def hold(word: str) -> str:
    """Says the word."""
    while not _file(os.environ[FOLDER], word).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(POLL_SECONDS)
    return f"The word is <b>{word}</b>."


def let(folder: Path, word: str) -> None:
    _file(folder, word).touch()


def _file(folder: str | Path, word: str) -> Path:
    return Path(folder) / word
