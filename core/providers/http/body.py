"""What comes as the body of an answer: a stream of events as a rule; a JSON document, or a page, where a service or a
proxy does something else; lines or a list of objects, where that is a service's way."""

import re

from core.providers.http.answer import MAX_EVENT_BYTES, EventSplitter, EventTooLarge, SseSplitter
from core.providers.http.failures import WebPage
from core.providers.http.reader import ServerEvent

_SIGNS = re.compile(rb'["{}]')
_IN_STRING = re.compile(rb'["\\]')
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
        self._rest = bytearray()

    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        """Raises EventTooLarge."""
        head, end, tail = raw.rpartition(b"\n")
        self._rest += head + end
        lines = bytes(self._rest).split(b"\n") if end else []
        if end:
            self._rest.clear()
        self._rest += tail
        if is_last:
            lines.append(bytes(self._rest))
            self._rest.clear()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"a line has more than {MAX_EVENT_BYTES} bytes")
        return [ServerEvent(line) for line in lines if line.strip()]


class ObjectSplitter:
    """Each JSON object is one event, whatever stands between them: commas and brackets of a list, or line ends."""

    def __init__(self) -> None:
        self._object = bytearray()
        """What there is of the one that is not whole yet."""
        self._depth = 0
        self._is_in_string = False
        self._escaped = 0
        """Bytes of the next piece that a backslash at the end of this one escapes."""

    @property
    def is_within(self) -> bool:
        """Whether an object has begun, and not ended."""
        return self._depth > 0

    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        """Raises EventTooLarge."""
        events, begin, at = [], 0, self._escaped
        while at < len(raw):
            sign = (_IN_STRING if self._is_in_string else _SIGNS).search(raw, at)
            if sign is None:
                break
            at = sign.end()
            match sign[0]:
                case b'"':
                    self._is_in_string = self.is_within and not self._is_in_string
                case b"{":
                    if not self._depth:
                        begin = sign.start()
                    self._depth += 1
                case b"}" if self._depth:
                    self._depth -= 1
                    if not self._depth:
                        events.append(ServerEvent(bytes(self._object) + raw[begin:at]))
                        self._object.clear()
                case b"\\":  # and whatever it escapes, in the next piece perhaps
                    at += 1
        self._escaped = max(at - len(raw), 0)
        if self._depth:
            self._object += raw[begin:]
        if len(self._object) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return events
