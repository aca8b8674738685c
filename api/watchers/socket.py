"""What a watcher sees over a WebSocket, and what it asks for there."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access.refusals import close
from api.inputs.watching import ClientMessage
from api.streams.viewer import Sink
from api.streams.websocket_sink import WebSocketSink
from api.watchers.watcher import Watcher
from core.model.errors import Closing, HopstreamError

log = structlog.get_logger()

MOST_BAD_MESSAGES = 3
"""Whoever sends more has another protocol in mind."""
PAUSE_SECONDS = 0.1
"""After a subscription, for which all that runs is looked at."""

_encode = msgspec.json.Encoder().encode


class BadMessage(HopstreamError):
    code = "bad_message"
    status = 400
    title = "A message cannot be read"


async def watch_over_socket(websocket: WebSocket, watch: Callable[[Sink], Watcher]) -> None:
    """To one that was accepted; then it is closed with a code that says how it ended."""
    connection = _Connection(websocket, watch(WebSocketSink(websocket)))
    with suppress(WebSocketDisconnect):
        try:
            await connection.hold()
        except Closing as error:
            await websocket.send_text(_encode({"type": "goaway", "reason": error.message}).decode())
            await close(websocket, error)
        except HopstreamError as error:
            log.info("watcher sent away", action="watcher.refused", reason=error.message)
            await close(websocket, error)


class _Connection:
    def __init__(self, websocket: WebSocket, watcher: Watcher) -> None:
        self._websocket = websocket
        self._watcher = watcher
        self._bad_messages = 0

    async def hold(self) -> None:
        """Until the client leaves. Raises HopstreamError, WebSocketDisconnect."""
        telling = asyncio.create_task(self._watcher.run(), name="watcher")
        hearing = asyncio.create_task(self._hear(), name="watcher's client")
        try:
            await asyncio.wait([telling, hearing], return_when=asyncio.FIRST_COMPLETED)
            for task in (telling, hearing):
                if task.done():
                    task.result()
        finally:
            telling.cancel()
            hearing.cancel()
            await asyncio.wait([telling, hearing])

    async def _hear(self) -> None:
        while True:
            received = await self._websocket.receive()
            if received["type"] == "websocket.disconnect":
                return
            try:
                await self._answer(_read(received.get("text") or received.get("bytes") or b""))
            except BadMessage as error:
                self._bad_messages += 1
                if self._bad_messages > MOST_BAD_MESSAGES:
                    raise
                self._refuse(error)

    async def _answer(self, message: ClientMessage) -> None:
        """Raises SlowReader."""
        match message.type:
            case "subscribe":
                try:
                    await self._watcher.subscribe(message.subscription())
                except HopstreamError as error:
                    self._refuse(error)
                else:
                    self._say("subscribed", **message.words())
                await asyncio.sleep(PAUSE_SECONDS)
            case "unsubscribe":
                self._watcher.unsubscribe(message.subscription())
                self._say("unsubscribed", **message.words())
            case "ping":
                self._say("pong")

    def _refuse(self, error: HopstreamError) -> None:
        self._say("error", code=error.code, message=error.message)

    def _say(self, kind: str, **words: Any) -> None:
        self._watcher.say([_encode({"type": kind, **words})])


def _read(text: str | bytes) -> ClientMessage:
    """Raises BadMessage."""
    try:
        return ClientMessage.model_validate_json(text)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, wrong["loc"]))
        raise BadMessage(f"{field}: {wrong['msg']}" if field else wrong["msg"]) from error
