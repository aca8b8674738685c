"""The reading side of Server-Sent Events (WHATWG HTML 9.2), as much as a load driver needs."""


class EventReader:
    """Bytes in as they arrive, the `data` of the events that they complete out. Comments and ids are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, raw: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + raw).split(b"\n")
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        return events
