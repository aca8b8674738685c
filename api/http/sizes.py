"""How large requests and messages may be, by the characters that the settings allow."""

from core.agents.rules import CONTEXT_CHARS, PROMPT_CHARS
from core.settings import Settings

BYTES_PER_CHARACTER = 12
"""A character takes up to 12 bytes in JSON, as two \\u escapes."""
OTHER_FIELDS_BYTES = 65_536


def most_body_bytes(settings: Settings) -> int:
    """Of a request: a question with its history, or an agent."""
    history = settings.max_history_chars * BYTES_PER_CHARACTER
    agent = (PROMPT_CHARS + CONTEXT_CHARS) * BYTES_PER_CHARACTER + OTHER_FIELDS_BYTES
    return max(most_message_bytes(settings) + history, agent)


def most_message_bytes(settings: Settings) -> int:
    """Of a WebSocket's client: one may be in memory for each connection."""
    return settings.max_message_chars * BYTES_PER_CHARACTER + OTHER_FIELDS_BYTES
