"""The reading side of Server-Sent Events (WHATWG HTML 9.2), as much as a chat completion needs."""

from core.errors import HopstreamError

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""A server that never ends its line must not fill the memory. Real events have a few hundred bytes."""


class EventTooLarge(HopstreamError):
    code = "event_too_large"
    title = "An event of a stream does not end"


class EventReader:
    """Bytes in as they arrive, the `data` of the events that they complete out. Comments and ids are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, raw: bytes) -> list[bytes]:
        """Raises EventTooLarge."""
        *lines, self._rest = (self._rest + raw).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has more than {MAX_EVENT_BYTES} bytes")
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        return events
