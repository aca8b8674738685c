"""A stream over a WebSocket: a feed in the words of a wire, for as long as its client is there."""

from contextlib import AbstractAsyncContextManager, suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access.refusals import close
from api.access.tickets import PROTOCOL
from api.streams.connected import run_while_connected
from api.streams.cursor import Cursor
from api.streams.viewer import Viewer
from api.streams.websocket_sink import WebSocketSink
from api.wires.base import Unfinished, Wire
from core.model.feed import Feed


async def accept(websocket: WebSocket) -> None:
    await websocket.accept(PROTOCOL if PROTOCOL in websocket.scope.get("subprotocols", ()) else None)


async def stream_to_socket(
    websocket: WebSocket, watching: AbstractAsyncContextManager[Feed], cursor: Cursor | None, wire: Wire
) -> None:
    """Everything after `cursor`, to one that was accepted; then it is closed with a code that says how it ended.
    `watching` is left as soon as the client is gone."""

    async def stream() -> None:
        async with watching as feed:
            try:
                await Viewer(feed, cursor, wire, WebSocketSink(websocket)).run()
            except Unfinished as error:
                await close(websocket, error.__cause__ if isinstance(error.__cause__, Exception) else error)
            else:
                await close(websocket, feed.error)

    with suppress(WebSocketDisconnect):
        await run_while_connected(stream(), websocket.receive)
