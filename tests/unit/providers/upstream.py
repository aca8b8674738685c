"""A model's service that says byte for byte what it is told, over a real socket."""

import asyncio
import ssl
from collections.abc import Iterable
from enum import Enum
from types import TracebackType
from typing import NamedTuple, Self, cast

from tests.patience import PATIENCE_SECONDS


class Then(Enum):
    """What it does with the connection."""

    SILENCE = "nothing more, until the client leaves"
    BREAK_OFF = "closes it"
    NEXT_REQUEST = "reads the next request from it"


Step = bytes | Iterable[bytes] | asyncio.Event | float
"""Something to send, in one write or several, or something to wait for: an event, or so many seconds."""


class Asked(NamedTuple):
    path: str
    headers: dict[str, str]
    """Names are in lower case."""
    body: bytes


class Upstream:
    """`async with Upstream() as upstream:`, then `upstream.say(...)` is how it answers from then on."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        """So far."""
        self.sent_bytes = 0
        self._steps: tuple[Step, ...] = ()
        self._first: list[bytes] = []
        self._then = Then.NEXT_REQUEST
        self._tls = tls
        self._open: set[_Connection] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.abort()
        await self.until_open(0)
        await self._server.wait_closed()

    def say(self, *steps: Step, then: Then = Then.NEXT_REQUEST) -> None:
        self._steps, self._then = steps, then

    def say_first(self, *answers: bytes) -> None:
        """To the next requests, one each, before what else it says."""
        self._first += answers

    def freeze(self) -> None:
        """It reads nothing any more, not even that a client leaves."""
        for connection in self._open:
            connection.freeze()

    async def until_open(self, number: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many connections are open."""
        async with asyncio.timeout(seconds):
            while len(self._open) != number:
                self._changed.clear()
                await self._changed.wait()

    async def _answer(self, connection: "_Connection") -> None:
        if self._first:
            await connection.send(self._first.pop(0))
            return
        for step in self._steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            else:
                for piece in [step] if isinstance(step, bytes) else step:
                    await connection.send(piece)
                    self.sent_bytes += len(piece)
        if self._then is Then.BREAK_OFF:
            connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._received = b""
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._answering: asyncio.Task[None] | None = None

    async def send(self, data: bytes) -> None:
        """In a write of its own, when the client has taken enough of the others."""
        await self._is_writable.wait()
        self._transport.write(data)
        await asyncio.sleep(0)

    def freeze(self) -> None:
        self._transport.pause_reading()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._upstream.connections += 1
        self._upstream._open.add(self)
        self._upstream._changed.set()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        size = int(headers.get("content-length", "0"))
        if len(rest) >= size:
            self._received = rest[size:]
            self._upstream.asked.append(Asked(lines[0].split()[1], headers, rest[:size]))
            self._answering = asyncio.create_task(self._upstream._answer(self))

    def pause_writing(self) -> None:
        self._is_writable.clear()

    def resume_writing(self) -> None:
        self._is_writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering is not None:
            self._answering.cancel()
        self._upstream._open.discard(self)
        self._upstream._changed.set()


def head(status: int = 200, **headers: str) -> bytes:
    """Of a response whose body comes in chunks."""
    lines = [f"HTTP/1.1 {status} Some Reason", "Transfer-Encoding: chunked"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Of a chunked body (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


END = chunk(b"")


def whole(status: int, body: bytes, **headers: str) -> bytes:
    return head(status, **headers) + chunk(body) + END
