"""The reading side of Server-Sent Events (WHATWG HTML 9.2), as much as a chat completion needs."""

from core.providers.failures import BadEvent

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""A server that never ends an event must not fill the memory. Real ones have a few hundred bytes."""


class EventTooLarge(BadEvent):
    """An event of a stream does not end."""


class EventReader:
    """Bytes in as they arrive, the `data` of the events that they complete out. Comments and ids are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        """Of `_data`, bytes."""

    def feed(self, raw: bytes) -> list[bytes]:
        """Raises EventTooLarge."""
        *lines, self._rest = (self._rest + raw).split(b"\n")
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
                self._size += len(line)
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return events
