"""What our ASGI middlewares share."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

HEADS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
"""The messages that answer a request, or an opening WebSocket."""


def with_head(send: Send, change: Callable[[MutableHeaders], object]) -> Send:
    """`send`, with the answer's headers changed on their way."""

    async def send_changed(message: Message) -> None:
        if message["type"] in HEADS:
            change(MutableHeaders(scope=message))
        await send(message)

    return send_changed
