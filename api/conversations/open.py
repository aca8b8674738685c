"""The conversations that clients of this process have open."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from core.model.errors import Closing


class Closable(Protocol):
    def close(self, error: Exception) -> None:
        """The connection ends by it."""


class OpenConversations:
    def __init__(self) -> None:
        self._open: set[Closable] = set()
        self._is_closing = False

    @contextmanager
    def hold(self, conversation: Closable) -> Iterator[None]:
        """Raises Closing."""
        if self._is_closing:
            raise Closing
        self._open.add(conversation)
        try:
            yield
        finally:
            self._open.discard(conversation)

    def close(self) -> None:
        """The process shuts down."""
        self._is_closing = True
        for conversation in list(self._open):
            conversation.close(Closing())
