"""What a watcher sees over a WebSocket, and what it asks for there."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access.refusals import close
from api.streams.viewer import Sink
from api.streams.websocket_sink import WebSocketSink
from api.watchers.subscriptions import STATUSES, Subscription
from api.watchers.watcher import Watcher
from core.model.errors import Closing, HopstreamError

log = structlog.get_logger()

MOST_BAD_FRAMES = 3
"""Whoever sends more has another protocol in mind."""

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_encode = msgspec.json.Encoder().encode


class ClientFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    type: Literal["subscribe", "unsubscribe", "ping", "pong"]
    goal_id: _Word | None = None
    session_id: _Word | None = None
    model: _Word | None = None
    status: _Word | None = None

    def subscription(self) -> Subscription:
        """Raises BadFrame."""
        return Subscription(
            goal_id=self.goal_id, session_id=self.session_id, model=self.model, status=status_of(self.status)
        )


class BadFrame(HopstreamError):
    code = "bad_frame"
    status = 400
    title = "A message cannot be read"


def status_of(word: str | None) -> str | None:
    """Raises BadFrame."""
    if word is not None and word not in STATUSES:
        raise BadFrame(f"status is one of {', '.join(STATUSES)}")
    return word and STATUSES[word]


_decode = msgspec.json.Decoder(ClientFrame).decode


async def watch_over_socket(websocket: WebSocket, watch: Callable[[Sink], Watcher]) -> None:
    """To one that was accepted; then it is closed with a code that says how it ended."""
    conversation = _Conversation(websocket, watch(WebSocketSink(websocket)))
    with suppress(WebSocketDisconnect):
        try:
            await conversation.hold()
        except Closing as error:
            await websocket.send_text(_encode({"type": "goaway", "reason": error.message}).decode())
            await close(websocket, error)
        except HopstreamError as error:
            log.info("watcher sent away", action="watcher.refused", reason=error.message)
            await close(websocket, error)


class _Conversation:
    def __init__(self, websocket: WebSocket, watcher: Watcher) -> None:
        self._websocket = websocket
        self._watcher = watcher
        self._bad_frames = 0

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
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                await self._answer(message.get("text") or message.get("bytes") or b"")
            except HopstreamError as error:
                self._bad_frames += isinstance(error, BadFrame)
                if self._bad_frames > MOST_BAD_FRAMES:
                    raise
                self._say(type="error", code=error.code, message=error.message)

    async def _answer(self, text: str | bytes) -> None:
        """Raises HopstreamError."""
        try:
            frame = _decode(text)
        except (msgspec.MsgspecError, ValueError) as error:
            raise BadFrame(str(error)) from error
        match frame.type:
            case "subscribe":
                await self._watcher.subscribe(frame.subscription())
                self._say(**_told(frame, "subscribed"))
            case "unsubscribe":
                self._watcher.unsubscribe(frame.subscription())
                self._say(**_told(frame, "unsubscribed"))
            case "ping":
                self._say(type="pong")

    def _say(self, **words: Any) -> None:
        self._watcher.say([_encode(words)])


def _told(frame: ClientFrame, what: str) -> dict[str, Any]:
    asked = msgspec.to_builtins(frame)
    return {"type": what, **{name: value for name, value in asked.items() if value is not None and name != "type"}}
