"""Names of things: a turn's key, and what RabbitMQ calls its log."""

from typing import NamedTuple

SESSION_ID_PATTERN = r"^[A-Za-z0-9_-]{1,128}$"
"""For pydantic, whose `$` is the very end of the text, a line break included."""


class TurnKey(NamedTuple):
    session_id: str
    turn: int
    """1, 2, … in its session."""

    def __str__(self) -> str:
        """The routing key on `llm.sessions`, and the tail of the log's name."""
        return f"{self.session_id}.{self.turn}"

    @property
    def log_name(self) -> str:
        """The session log's queue name."""
        return f"session.{self}"
