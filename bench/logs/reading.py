"""Reads a stream of numbered lines, comes back when it breaks off, and counts each line."""

import asyncio
import re
from collections import Counter
from contextlib import suppress
from datetime import datetime
from time import time
from urllib.parse import urlsplit

AGAIN_SECONDS = 0.5
SAMPLED = 50
"""The delay of one line of so many is looked at."""
_LINE = re.compile(rb'"producer":"([^"]+)","number":(\d+)')
_ID = re.compile(rb"\nid: (\S+)\n")
_TIME = re.compile(rb'"time":"([^"]+)"')


class Reading:
    """`read` is a task's."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self.last_id = ""
        """Where there are ids."""
        self.lines: Counter[tuple[bytes, int]] = Counter()
        self.delays: list[float] = []
        """Seconds."""
        self.is_connected = False

    async def read(self) -> None:
        while True:
            with suppress(OSError):
                await self._read()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _read(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=1 << 24)
        try:
            resumes = b"Last-Event-ID: %s\r\n" % self.last_id.encode() if self.last_id else b""
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % resumes)
            rest = b""
            self.is_connected = True
            while data := await reader.read(1 << 20):
                whole, dash, rest = (rest + data).rpartition(b"\n\n")
                if dash:
                    self._take(b"\n" + whole + b"\n")
        finally:
            writer.close()

    def _take(self, events: bytes) -> None:
        """Whole events; the marks of HTTP's chunks may stand between them."""
        for producer, number in _LINE.findall(events):
            self.lines[producer, int(number)] += 1
        if ids := _ID.findall(events):
            self.last_id = str(ids[-1], "ascii")
        now = time()
        for said in _TIME.findall(events)[::SAMPLED]:
            self.delays.append(now - datetime.fromisoformat(str(said, "ascii")).timestamp())
