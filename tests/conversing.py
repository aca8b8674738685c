"""A client of /ws/chat for tests, who comes back whatever happens, and keeps books of what it was told."""

import asyncio
import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from api.streams.cursor import Cursor
from tests.agent_frames import check_client_frame, check_server_frame
from tests.patience import PATIENCE_SECONDS
from tests.sockets import open_socket

Frame = dict[str, Any]
RECONNECT_SECONDS = 0.2


class Screen:
    """What a reader has of one turn."""

    def __init__(self) -> None:
        self.text = ""
        self.calls: dict[str, Frame] = {}
        """By their ids, each with its `result` once it has one."""
        self.steps: list[tuple[int, str]] = []
        self.restarts = 0
        self.end: Frame | None = None
        self.cursor: Cursor | None = None
        self.doubled: list[Frame] = []
        """Frames that it had before."""

    def take(self, frame: Frame) -> None:
        at = Cursor.parse(frame["id"])
        if self.cursor is not None and at <= self.cursor and frame["type"] not in ("start", "restart"):
            self.doubled.append(frame)
            return
        self.cursor = at
        match frame:
            case {"type": "restart"}:
                self.text, self.calls, self.steps = "", {}, []
                self.restarts += 1
            case {"type": "token", "token": text}:
                self.text += text
            case {"type": "step", "step": number, "status": status}:
                self.steps.append((number, status))
            case {"type": "tool", "payload": {"phase": "call"} as payload}:
                self.calls[payload["callId"]] = {"name": frame["name"], **payload}
            case {"type": "tool", "payload": {"phase": "result"} as payload}:
                self.calls[payload["callId"]]["result"] = payload
            case {"type": "done" | "error"}:
                self.end = frame


class Talk:
    """`async with Talk(urls, agent) as talk:`, then `await talk.ask("hello")` is the turn's screen at its end."""

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        agent_id: str,
        conversation_id: str | None = None,
        *,
        asks_again: bool = False,
        **options: Any,
    ) -> None:
        """`urls`: of the API processes that there are; another one at each connection. `asks_again`: what was refused
        for now."""
        self._asks_again = asks_again
        self.conversation_id = conversation_id
        self.screens: dict[int, Screen] = {}
        self.frames: list[Frame] = []
        """Of no turn's tape."""
        self.turns: dict[str, int] = {}
        """Of messages that were accepted."""
        self.connections = 0
        self._tries = 0
        self._urls = urls
        self._agent_id = agent_id
        self._options = options
        self._unanswered: dict[str, Frame] = {}
        self._changed = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._running: asyncio.Task[None] | None = None
        self._last_id: str | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._stay_connected(), name="talk")
        await self.until(lambda: bool(self.conversation_id and self._socket))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def ask(self, message: str, seconds: float = PATIENCE_SECONDS, **frame: Any) -> Screen:
        """Raises TimeoutError."""
        message_id = await self.say(message, **frame)
        return await self.answer(message_id, seconds)

    async def say(self, message: str, **frame: Any) -> str:
        """The message's id."""
        message_id = secrets.token_hex(8)
        self._unanswered[message_id] = {"message": message, "messageId": message_id, **frame}
        await self._send(self._unanswered[message_id])
        return message_id

    async def answer(self, message_id: str, seconds: float = PATIENCE_SECONDS) -> Screen:
        """Once it has ended. Raises TimeoutError."""

        def has_ended() -> bool:
            screen = self.screens.get(self.turns.get(message_id, 0))
            return screen is not None and screen.end is not None

        try:
            await self.until(has_ended, seconds)
        except TimeoutError as error:
            screen = self.screens.get(self.turns.get(message_id, 0))
            state = {"turn": self.turns.get(message_id), "connections": self.connections, "last": self.frames[-3:]}
            raise TimeoutError(f"{self.conversation_id}: {state}, {screen and vars(screen)}") from error
        del self._unanswered[message_id]
        return self.screens[self.turns[message_id]]

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        async with asyncio.timeout(seconds), self._changed:
            while not condition():
                if self._running is not None and self._running.done():
                    self._running.result()  # which is an error
                await self._changed.wait()

    async def send(self, frame: Frame) -> None:
        await self._send(frame)

    async def drop(self) -> None:
        """The network breaks off."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _stay_connected(self) -> None:
        while True:
            urls = self._urls()
            with suppress(OSError, WebSocketException, TimeoutError):
                async with open_socket(urls[self._tries % len(urls)], "/ws/chat") as socket:
                    self.connections += 1
                    await self._converse(socket)
            self._socket = None
            self._tries += 1
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _converse(self, socket: ClientConnection) -> None:
        hello = {"agentId": self._agent_id, "protocol": 1, "options": self._options}
        known = {"conversationId": self.conversation_id, "resume": self._last_id}
        await _send(socket, {**hello, **{name: value for name, value in known.items() if value}})
        ready = await _receive(socket)
        if ready["type"] != "ready":
            return
        self.conversation_id = ready["conversationId"]
        self._socket = socket
        for frame in list(self._unanswered.values()):
            await _send(socket, frame)
        await self._take(ready)
        while True:
            await self._take(await _receive(socket))

    async def _take(self, frame: Frame) -> None:
        if "id" in frame:
            self._last_id = frame["id"]
            self.screens.setdefault(frame["turn"], Screen()).take(frame)
        else:
            self.frames.append(frame)
            match frame:
                case {"type": "accepted", "messageId": str(message_id)}:
                    self.turns[message_id] = frame["turn"]
                case {"type": "error", "messageId": message_id, "retryable": True} if self._asks_again:
                    asyncio.get_running_loop().call_later(frame.get("retryAfter", 1), self._ask_again, message_id)
        async with self._changed:
            self._changed.notify_all()

    def _ask_again(self, message_id: str) -> None:
        if message_id in self._unanswered:
            self._asking = asyncio.create_task(self._send(self._unanswered[message_id]))

    async def _send(self, frame: Frame) -> None:
        """What does not get through is sent again on the next connection."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await _send(self._socket, frame)


async def _send(socket: ClientConnection, frame: Frame) -> None:
    check_client_frame(frame)
    await socket.send(json.dumps(frame))


async def _receive(socket: ClientConnection) -> Frame:
    frame: Frame = json.loads(await socket.recv(decode=True))
    check_server_frame(frame)
    return frame
