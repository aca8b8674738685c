"""Names of things: a turn's key, and what a session may be called."""

import re
from typing import NamedTuple

SESSION_ID_PATTERN = r"^[A-Za-z0-9_-]{1,128}$"
"""For pydantic, where `$` is the very end of the text; Python's `$` also matches before a last line break."""

_SESSION_ID = re.compile(SESSION_ID_PATTERN.removesuffix("$"))


class TurnKey(NamedTuple):
    session_id: str
    turn: int
    """1, 2, … in its session."""

    def __str__(self) -> str:
        """The routing key on `llm.sessions`, and the tail of its log's name."""
        return f"{self.session_id}.{self.turn}"


def is_session_id(text: str) -> bool:
    return _SESSION_ID.fullmatch(text) is not None
