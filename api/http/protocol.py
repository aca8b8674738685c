"""HTTP for strangers and for streams: `uvicorn --http api.http.protocol:BoundedHeadProtocol`.

uvicorn reads a request's head (its line and headers) for as long as it goes on, and into memory. Here it may be so
large and take so long; else the connection ends. Bodies have limits of their own, see `api.http.requests`, and so have
WebSockets, which begin as such a request; see `api.http.websocket_protocol`.
"""

import asyncio
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.push import PUSH
from api.http.websocket_protocol import BoundedWebSocketProtocol

HEAD_BYTES = 65_536
HEAD_SECONDS = 30.0


class BoundedHeadProtocol(HttpToolsProtocol):
    _head_bytes: int | None = 0
    """Received of a head that is not whole; None while none is awaited."""
    _overdue: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.ws_protocol_class is not None:  # unless started with `--ws none`
            self.ws_protocol_class = BoundedWebSocketProtocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._stop_waiting()
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            cast(Scope, self.scope).setdefault("extensions", {})[PUSH] = CyclePush(self.cycle)

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._stop_waiting()
        self._overdue = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None


class CyclePush:
    """See `api.http.push`. What is written are pieces of a body in chunks (RFC 9112, 7.1)."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.write = cycle.transport.write

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
