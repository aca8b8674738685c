"""What all viewers are told beside lines: how Redis is, and which alerts are firing. The last word of each counts."""

import msgspec


class Bulletins:
    def __init__(self) -> None:
        self._frames: dict[str, tuple[int, bytes]] = {}
        self._number = 0

    def put(self, name: str, data: object) -> bool:
        """Whether that is news."""
        frame = event(name, data)
        if name in self._frames and self._frames[name][1] == frame:
            return False
        self._number += 1
        self._frames[name] = (self._number, frame)
        return True

    def last(self, name: str) -> bytes:
        """Its frame; empty if there is none."""
        return self._frames.get(name, (0, b""))[1]

    def since(self, number: int) -> tuple[bytes, int]:
        """Those after a number that was told before (0: all), and the number for the next time."""
        return b"".join(frame for at, frame in self._frames.values() if at > number), self._number


def event(name: str, data: object) -> bytes:
    """A Server-Sent Event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))
