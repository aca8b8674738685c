"""The opening of a WebSocket, as a server would hand it to an app."""

from starlette.types import ASGIApp, Message, Scope


async def open_socket(
    app: ASGIApp,
    path: str,
    *protocols: str,
    headers: dict[str, str] | None = None,
    leaves: bool = False,
) -> list[Message]:
    """All that the app sends. With `leaves` the client is gone before it does."""
    given = {"host": "test", **(headers or {})}
    scope: Scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "subprotocols": list(protocols),
        "client": ("127.0.0.1", 1),
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        if leaves:
            raise OSError("the client is gone")
        sent.append(message)

    await app(scope, receive, send)
    return sent
