"""HTTP/1.1 (RFC 9112) for the load driver, on a bare asyncio protocol.

The driver shares its cores with what it measures, so a piece of an answer may cost it little more than the read.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import msgspec

OnBody = Callable[[bytes, int], None]
"""Told each piece of a body, and when it arrived: nanoseconds of the monotonic clock."""

REUSE_SECONDS = 2.0
"""An idle connection is used again for no longer than this: uvicorn closes it after 5 s."""


class HttpError(Exception):
    """The server refused, or broke the answer off."""


class HttpClient:
    """One connection to one server, kept alive; one request at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._connection: _Connection | None = None

    async def connect(self) -> None:
        """So that the first request does not wait for it."""
        await self._connected()

    async def get(self, path: str, on_body: OnBody) -> None:
        """Raises HttpError, OSError."""
        await (await self._connected()).exchange(self._head("GET", path), on_body)

    async def post(self, path: str, content: Any, on_body: OnBody, headers: Mapping[str, str] | None = None) -> None:
        """Send `content` as JSON. Raises HttpError, OSError."""
        body = msgspec.json.encode(content)
        head = self._head(
            "POST", path, {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        )
        await (await self._connected()).exchange(head + body, on_body)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _connected(self) -> "_Connection":
        if self._connection is None or not self._connection.is_reusable:
            self.close()
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(_Connection, self._host, self._port)
        return self._connection

    def _head(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return "\r\n".join([*lines, "", ""]).encode()


async def fetch(url: str, path: str) -> bytes | None:
    """The body of one answer; None where nobody answers, or with an error."""
    http, parts = HttpClient(url), list[bytes]()
    try:
        await http.get(path, lambda part, _: parts.append(part))
    except (HttpError, OSError):
        return None
    finally:
        http.close()
    return b"".join(parts)


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[None] | None = None
        self._on_body: OnBody
        self._refusal: list[bytes] | None = None
        self._at_ns = 0
        self._is_lost = False
        self._used_at = self._loop.time()
        self._transport: asyncio.Transport

    @property
    def is_reusable(self) -> bool:
        is_busy = self._answered is not None
        return not self._is_lost and not is_busy and self._loop.time() - self._used_at < REUSE_SECONDS

    async def exchange(self, request: bytes, on_body: OnBody) -> None:
        """Returns at the answer's end."""
        self._on_body = on_body
        self._answered = self._loop.create_future()
        self._transport.write(request)
        try:
            await self._answered
        except BaseException:
            self.close()
            raise
        self._answered = None
        self._used_at = self._loop.time()

    def close(self) -> None:
        self._transport.close()

    # for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._at_ns = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(HttpError(f"the answer is no HTTP: {error.__context__ or error}"))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._end(HttpError("the connection was closed in the middle of the answer"))

    # for httptools

    def on_headers_complete(self) -> None:
        is_fine = self._parser.get_status_code() < 400
        self._refusal = None if is_fine else []

    def on_body(self, part: bytes) -> None:
        if self._refusal is None:
            self._on_body(part, self._at_ns)
        else:
            self._refusal.append(part)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self._is_lost = True
        if self._refusal is None:
            self._end(None)
        else:
            text = b"".join(self._refusal).decode(errors="replace")
            self._end(HttpError(f"HTTP status {self._parser.get_status_code()}: {text[:500]}"))

    def _end(self, error: HttpError | None) -> None:
        if self._answered is None or self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)
