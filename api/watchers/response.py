"""What a watcher sees as Server-Sent Events, for as long as its client is there."""

from collections.abc import Callable

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.streams.connected import run_while_connected
from api.streams.response import STREAM_HEADERS
from api.streams.viewer import HttpSink, Sink
from api.watchers.framing import SseFraming
from api.watchers.watcher import Watcher
from core.model.errors import Closing, SlowReader

log = structlog.get_logger()


class WatchResponse(Response):
    """An error before the first event is told by the status."""

    def __init__(self, framing: SseFraming, watch: Callable[[Sink], Watcher]) -> None:
        self.status_code = 200
        self.media_type = "text/event-stream"
        self.background = None
        self.init_headers(STREAM_HEADERS)
        self._framing = framing
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await run_while_connected(self._stream(scope, send), receive)

    async def _stream(self, scope: Scope, send: Send) -> None:
        framing = self._framing
        sink = HttpSink(self.status_code, self.raw_headers, framing.ping(), scope, send)
        try:
            await self._watch(sink).run()
        except Closing:
            if not sink.has_begun:
                raise
            await sink.send(framing.closing())
            await sink.finish()
        except SlowReader as error:
            log.warning("watcher sent away", action="watcher.slow", reason=error.message)
