"""What comes as the body of an answer: a stream of events as a rule; a JSON document or a page where a service, or a
proxy, does something else."""

from core.providers.answer import MAX_EVENT_BYTES, EventSplitter, EventTooLarge, ServerEvent, SseSplitter
from core.providers.failures import WebPage

_WHITE_SPACE = b"\xef\xbb\xbf\t\n\r "
"""A byte order mark among it."""


def splitter_of(begin: bytes) -> EventSplitter | None:
    """By the first byte that is not white space, because Content-Type often does not tell. None until that has come.

    Raises WebPage.
    """
    match begin.lstrip(_WHITE_SPACE)[:1]:
        case b"":
            return None
        case b"<":
            raise WebPage
        case b"{" | b"[":
            return DocumentSplitter()
        case _:
            return SseSplitter()


class DocumentSplitter:
    """A whole JSON document is one event."""

    def __init__(self) -> None:
        self._document = bytearray()

    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        """Raises EventTooLarge."""
        self._document += raw
        if len(self._document) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an answer without events has more than {MAX_EVENT_BYTES} bytes")
        return [ServerEvent(bytes(self._document))] if is_last else []
