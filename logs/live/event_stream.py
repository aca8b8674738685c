"""The response of a stream: written as it comes, cut off where nobody reads."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx
}
STALLED_SECONDS = 30.0


class EventStream(Response):
    def __init__(self, frames: AsyncIterator[bytes], slots: asyncio.Semaphore, closing: asyncio.Event) -> None:
        """`slots`: one of them was taken for it, and is given back. `closing`: the process ends; so does the stream."""
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._frames = frames
        self._slots = slots
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._write(send))
        ends = [writing, asyncio.create_task(_gone(receive)), asyncio.create_task(self._closing.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            self._slots.release()
        error = None if writing.cancelled() else writing.exception()
        if error is not None and not isinstance(error, TimeoutError):  # who has stalled is cut off
            raise error
        if self._closing.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for frame in self._frames:
            async with asyncio.timeout(STALLED_SECONDS):
                await send({"type": "http.response.body", "body": frame, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
