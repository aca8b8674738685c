"""HTTP for strangers and for streams: `uvicorn --http api.http.protocol:BoundedHeadProtocol`.

uvicorn reads a request's head (its line and headers) for as long as it goes on, and into memory. Here it may be so
large and take so long; else the connection ends. Bodies have limits of their own, see `api.http.requests`, and so have
WebSockets, which begin as such a request; see `api.http.websocket_protocol`.

It also answers those whom uvicorn's protocol would not: who offers another protocol with a request, who closes their
side of the connection once they have asked, and HTTP/1.0.
"""

import asyncio
import re
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.push import PUSH
from api.http.websocket_protocol import STALLED_SECONDS, BoundedWebSocketProtocol

HEAD_BYTES = 65_536
HEAD_SECONDS = 30.0
FIRST_PROBE_SECONDS = 0.05
PROBE_SECONDS = 1.0
"""Between two writes to a client that has closed its side of the connection: the second one finds out."""
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
"""An interim response (RFC 9110, 15.2), which every client passes over."""


class BoundedHeadProtocol(HttpToolsProtocol):
    _head_bytes: int | None = 0
    """Received of a head that is not whole; None while none is awaited."""
    _is_in_body = False
    """What comes now is of a request's body."""
    _overdue: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offers = UpgradeOffers()
        if self.ws_protocol_class is not None:  # unless started with `--ws none`
            self.ws_protocol_class = BoundedWebSocketProtocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        received = len(data)
        if not self._is_in_body:
            data = self._offers.remove(data)  # which may hold some of it back
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += received
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Who has asked and then closed their side still gets the answer. Who has left altogether looks the same, until
        something is written to them: so something is."""
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.response_complete:
            return False
        cycle.keep_alive = False
        self._probe(cycle, FIRST_PROBE_SECONDS)
        return True

    def _probe(self, cycle: RequestResponseCycle, seconds: float) -> None:
        if cycle.disconnected or cycle.response_complete or self.transport.is_closing():
            return
        push: CyclePush | None = cycle.scope.get("extensions", {}).get(PUSH)  # type: ignore[assignment]
        if push is not None:
            push.probe()
        self.loop.call_later(seconds, self._probe, cycle, PROBE_SECONDS)

    def shutdown(self) -> None:
        """The server waits for all connections: not for a client that takes nothing."""
        super().shutdown()
        self.loop.call_later(STALLED_SECONDS, self._abort_if_stalled, 0)

    def _abort_if_stalled(self, unsent_before: int) -> None:
        """What is left may be too little for writing to be paused: it is looked at until it is gone, or no less."""
        if self not in self.connections:
            return
        unsent = self.transport.get_write_buffer_size()
        if self.flow.write_paused or 0 < unsent_before <= unsent:
            self.transport.abort()
        else:
            self.loop.call_later(STALLED_SECONDS, self._abort_if_stalled, unsent)

    def on_message_begin(self) -> None:
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._is_in_body = True
        self._stop_waiting()
        super().on_headers_complete()
        if self.cycle is None or self.cycle.scope is not self.scope:  # a WebSocket
            return
        if self.scope["http_version"] == "1.0":
            UntilClose(self.cycle)
        else:
            cast(Scope, self.scope).setdefault("extensions", {})[PUSH] = CyclePush(self.cycle)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._stop_waiting()
        self._overdue = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None


class UpgradeOffers:
    """Takes offers of other protocols than WebSocket, such as h2c, out of a request's head: they may be ignored (RFC
    9110, 7.8), but the parser would take the request's body for the other protocol."""

    _OFFER = re.compile(rb"(?<=\n)upgrade[ \t]*:(?![ \t]*websocket[ \t]*\r?\n)[^\n]*\n", re.IGNORECASE)
    _END = re.compile(rb"\n\r?\n")
    _NAME = b"\nupgrade"

    def __init__(self) -> None:
        self._held = b""
        """A line that may become an offer."""

    def remove(self, data: bytes) -> bytes:
        """`data` is of a head, and perhaps of what follows it."""
        data, self._held = self._held + data, b""
        end = self._END.search(data)
        if end is not None:
            return self._OFFER.sub(b"", data[: end.end()]) + data[end.end() :]
        data = self._OFFER.sub(b"", data)
        last = data.rfind(b"\n")
        line = data[last:].lower() if last >= 0 else b""
        if line and (self._NAME.startswith(line) or line.startswith(self._NAME)):
            data, self._held = data[:last], data[last:]
        return data


class UntilClose:
    """The response of a client that knows no chunks: its end is that of the connection (RFC 9112, 6.3), unless it has a
    length. One that breaks off ends by a reset, so that it does not look whole."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send = cycle.send
        self._has_length = False
        cycle.send = self.send  # type: ignore[method-assign]

    async def send(self, message: Any) -> None:
        cycle = self._cycle
        if message["type"] == "http.response.start":
            self._has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
            if not self._has_length:
                cycle.chunked_encoding = False
                cycle.transport = _ResetTransport(cycle)  # type: ignore[assignment]  # all that a cycle calls
        elif message["type"] == "http.response.body" and not self._has_length:
            cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)


class _ResetTransport:
    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self.write = self._transport.write
        self.is_closing = self._transport.is_closing

    def close(self) -> None:
        if self._cycle.response_complete:
            self._transport.close()
            return
        socket = self._transport.get_extra_info("socket")
        if socket is not None:
            socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self._transport.abort()


class CyclePush:
    """See `api.http.push`. What is written are pieces of a body in chunks (RFC 9112, 7.1)."""

    on_probe: Callable[[], object] | None = None

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.write = cycle.transport.write

    def probe(self) -> None:
        """Write something that says nothing, to see whether the client is there."""
        if not self._cycle.response_started:
            self.write(PROCESSING)
        elif self.on_probe is not None and self.is_ready:
            self.on_probe()

    @property
    def is_ready(self) -> bool:
        cycle = self._cycle
        return not (
            cycle.flow.write_paused
            or cycle.disconnected
            or cycle.response_complete
            or not cycle.chunked_encoding
            or cycle.transport.is_closing()
        )
