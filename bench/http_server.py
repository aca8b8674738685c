"""HTTP/1.1 (RFC 9112) on a bare asyncio protocol: keep-alive, pipelining, chunked answers, and little else.

The mock upstream shares its cores with what it measures, so a token may cost it little more than the write.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.client import responses as REASONS
from typing import NamedTuple, Protocol, cast

import httptools

MAX_REQUEST_BYTES = 16 * 1024 * 1024  # a long conversation with images; more would only fill the memory
MAX_PIPELINED = 16  # requests that wait for their turn on one connection before it is read no further


class Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[bytes, bytes]
    """Names are in lower case."""
    body: bytes
    keep_alive: bool
    chunked: bool
    """Whether the client understands chunks: an HTTP/1.0 one does not."""


class Exchange(Protocol):
    """An answer under way. Its connection tells it what happens to the client."""

    def gone(self) -> None:
        """The client has left, or the server stops."""

    def writable(self) -> None:
        """The client reads again."""


class Connection(asyncio.Protocol):
    """One client. Requests go to `handle` one at a time: the next one waits for the end of the answer."""

    def __init__(self, handle: Callable[["Connection", Request], None], connections: set["Connection"]) -> None:
        self.exchange: Exchange | None = None
        """Set by the handler that does not answer at once."""
        self.paused = False
        """The client does not read: more would only pile up here."""
        self._handle = handle
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._keep_alive = True
        self._chunked = True
        self._unsent = b""

    # for handlers

    def respond(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole response, and go on with the next request."""
        head = self._head(status, {"content-type": content_type, "content-length": str(len(body)), **(headers or {})})
        self._transport.write(head + body)
        self._finish()

    def start(self, content_type: str) -> None:
        """Begin a response of unknown length. Its head goes out with the first `send`."""
        headers = {"content-type": content_type, "cache-control": "no-cache"}
        if self._chunked:
            headers["transfer-encoding"] = "chunked"
        else:
            self._keep_alive = False  # the end of the connection is the end of the response
        self._unsent = self._head(200, headers)

    def send(self, data: bytes) -> None:
        """Send a part of the response, in one write."""
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._unsent:
            data, self._unsent = self._unsent + data, b""
        self._transport.write(data)

    def end(self) -> None:
        """End what `start` began, and go on with the next request."""
        self._transport.write(self._unsent + b"0\r\n\r\n" if self._chunked else self._unsent)
        self._finish()

    def drop(self) -> None:
        """Close in the middle of the response, after what was sent."""
        self.exchange = None
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if self._size > MAX_REQUEST_BYTES:
            self._refuse(413)
            return
        if len(self._waiting) > MAX_PIPELINED:
            self._transport.pause_reading()
        self._next()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.exchange is not None:
            self.exchange.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._waiting.clear()
        if self.exchange is not None:
            self.exchange.gone()
            self.exchange = None

    # for httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0

    def on_url(self, part: bytes) -> None:
        self._size += len(part)
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value)
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._current is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        self._size += len(part)
        self._body.append(part)

    def on_message_complete(self) -> None:
        request = Request(
            method=self._parser.get_method().decode(),
            path=self._url.partition(b"?")[0].decode("latin-1"),
            headers=self._headers,
            body=b"".join(self._body),
            keep_alive=self._parser.should_keep_alive(),
            chunked=self._parser.get_http_version() != "1.0",
        )
        self._waiting.append(request)

    def _next(self) -> None:
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
            self._keep_alive, self._chunked = self._current.keep_alive, self._current.chunked
            self._handle(self, self._current)

    def _finish(self) -> None:
        self.exchange = None
        self._current = None
        if self._keep_alive:
            self._transport.resume_reading()
            self._next()
        else:
            self._transport.close()

    def _refuse(self, status: int) -> None:
        if self._current is None:
            self._keep_alive = False
            self._transport.write(self._head(status, {"content-length": "0"}))
        self._transport.close()

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}", f"date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"connection: {'keep-alive' if self._keep_alive else 'close'}", "", ""]
        return "\r\n".join(lines).encode("latin-1")
