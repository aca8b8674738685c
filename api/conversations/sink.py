"""Where a conversation's frames go, its turns' and those between them."""

from collections.abc import Callable
from typing import Any

from starlette.websockets import WebSocket

from api.streams.websocket_sink import WebSocketSink
from api.wires.agent_socket import encode_frame
from api.wires.base import Frames


class ConversationSink(WebSocketSink):
    def __init__(self, websocket: WebSocket, on_sent: Callable[[], object]) -> None:
        """`on_sent`: called whenever something is sent. What is written is a viewer's, which touches a timer itself."""
        super().__init__(websocket)
        self._on_sent = on_sent

    async def send(self, frames: Frames) -> None:
        """Raises WebSocketDisconnect."""
        self._on_sent()
        await super().send(frames)

    async def say(self, kind: str, **words: Any) -> None:
        """An event that is of no turn's tape. Raises WebSocketDisconnect."""
        await self.send([encode_frame({"type": kind, **words})])
