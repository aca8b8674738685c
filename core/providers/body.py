"""What comes as the body of an answer: a stream of events as a rule; a JSON document, or a page, where a service or a
proxy does something else; lines or a list of objects, where that is a service's way."""

import re

from core.providers.answer import MAX_EVENT_BYTES, EventSplitter, EventTooLarge, SseSplitter
from core.providers.failures import WebPage
from core.providers.reader import ServerEvent

_SIGNS = re.compile(rb'"(?:[^"\\]|\\.)*(?P<end>"?)|[{}]', re.DOTALL)
"""What tells in JSON where an object ends."""
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


class LineSplitter:
    """Each line is one event (newline-delimited JSON)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        """Raises EventTooLarge."""
        *lines, self._rest = (self._rest + raw + (b"\n" if is_last else b"")).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"a line has more than {MAX_EVENT_BYTES} bytes")
        return [ServerEvent(line) for line in lines if line.strip()]


class ObjectSplitter:
    """Each JSON object is one event, whatever stands between them: commas and brackets of a list, or line ends."""

    def __init__(self) -> None:
        self._rest = b""
        self._depth = 0
        self._next = 0
        """Where in the rest to look on."""

    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        """Raises EventTooLarge."""
        self._rest += raw
        events, begin = [], 0
        for sign in _SIGNS.finditer(self._rest, self._next):
            mark = sign[0]
            if mark == b"{":
                begin = begin if self._depth else sign.start()
                self._depth += 1
            elif mark == b"}":
                self._depth = max(self._depth - 1, 0)
                if not self._depth:
                    events.append(ServerEvent(self._rest[begin : sign.end()]))
            elif not sign["end"]:  # of a string that is not whole yet
                self._next = sign.start()
                break
            self._next = sign.end()
        keep = begin if self._depth else self._next
        self._rest = self._rest[keep:]
        self._next -= keep
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return events
