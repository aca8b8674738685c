"""Which services and channels there are, for whoever picks one."""

from collections.abc import Iterable, Sequence

from logs.stream.line import StreamLine

MOST = 1000


class Names:
    def __init__(self) -> None:
        self.services: set[str] = set()
        self.channels: set[str] = set()

    def saw(self, lines: Sequence[StreamLine]) -> None:
        self.add({line.record.service for line in lines}, {line.channel for line in lines})

    def add(self, services: Iterable[str], channels: Iterable[str]) -> None:
        for known, new in ((self.services, services), (self.channels, channels)):
            if len(known) < MOST:
                known.update(new)
