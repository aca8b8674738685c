"""WebSockets for strangers and for streams, on uvicorn's own protocol. `api.http.protocol` hands connections over to
this one, so it needs no option of uvicorn's.

uvicorn closes a connection in order, which first sends all that waits: to a client that does not read, that takes as
long as the client likes. Here such a connection is aborted.
"""

import asyncio
import logging
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.server import ServerProtocol

from api.http.push import PUSH
from api.http.sizes import most_message_bytes
from core.settings import get_settings

WRITE_SECONDS = 30.0
"""For a client to make room for the next frame. Whoever reads nothing for so long has gone, or never meant to read."""
CLOSE_SECONDS = 15.0
"""For a connection to end after our side is done with it: uvicorn gives the client 10 s to answer a closing frame."""

STALLED_SECONDS = 2.0
"""From the server's shutdown until a connection is aborted whose client takes nothing."""

_library_log = logging.getLogger("hopstream.websockets")
_library_log.setLevel(logging.WARNING)  # below that it tells of every connection, and at DEBUG of headers with keys


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    _stalled: asyncio.TimerHandle | None = None
    """Runs while the client makes no room."""
    _ending: asyncio.TimerHandle | None = None
    """Runs once our side is done with the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A larger message closes it with 1009.
        # Without permessage-deflate (RFC 7692): it costs memory for each connection, and tokens are short.
        self.conn = ServerProtocol(max_size=most_message_bytes(get_settings()), logger=_library_log)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:  # the head comes whole, so it was refused: an overlong line, say
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:  # which means that it was refused
            cast(Scope, self.scope)["extensions"][PUSH] = SocketPush(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        _cancel(self._stalled)
        super().resume_writing()

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(STALLED_SECONDS, self._abort_if_stalled)

    def _abort_if_stalled(self) -> None:
        if not self.writable.is_set():
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self._ending = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        _cancel(self._stalled)
        _cancel(self._ending)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class SocketPush:
    """See `api.http.push`. What is written are whole frames (RFC 6455, 5.2)."""

    def __init__(self, protocol: WebSocketsSansIOProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write

    @property
    def is_ready(self) -> bool:
        protocol = self._protocol
        return (
            protocol.handshake_complete
            and not protocol.close_sent
            and not protocol.disconnected
            and protocol.writable.is_set()
            and not protocol.transport.is_closing()
        )
