"""Narrators for tests: who posts, and connections to /ws/chat that hear a narrator or are a controller."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.agent_frames import check_client_frame, check_server_frame
from tests.client import Client
from tests.patience import PATIENCE_SECONDS
from tests.sockets import open_socket

AGENT = "planner"
"""Every registry has it."""
Frame = dict[str, Any]


def new_name() -> str:
    """Of a controller."""
    return f"c-{secrets.token_hex(4)}"


async def post(client: Client, message: str = "What is new?", **fields: Any) -> httpx.Response:
    return await client.http.post("/narrator/messages", json={"message": message, **fields})


async def posted(client: Client, message: str = "What is new?", **fields: Any) -> dict[str, Any]:
    """That must be answered."""
    response = await post(client, message, **fields)
    assert response.status_code == 202, response.text
    told: dict[str, Any] = response.json()
    return told


async def feed(client: Client, session: str, **query: Any) -> list[dict[str, Any]]:
    response = await client.http.get("/narrator/feed", params={"conversationId": session, **query})
    events: list[dict[str, Any]] = response.json()["events"]
    return events


async def lease(client: Client, name: str, **fields: Any) -> dict[str, Any]:
    response = await client.http.put(f"/controllers/{name}", json=fields)
    assert response.status_code in (200, 201), response.text
    taken: dict[str, Any] = response.json()
    return taken


class Party:
    """Somebody who is connected, and all that they are told."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []
        self._changed = asyncio.Condition()

    async def say(self, **frame: Any) -> None:
        check_client_frame(frame)
        await self.socket.send(json.dumps(frame))

    async def hears(self, kind: str, number: int = 1, **words: Any) -> Frame:
        """The first frame of this type, or another one, with these words. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            while len(found := self.of(kind, **words)) < number:
                await self._changed.wait()
        return found[number - 1]

    def of(self, kind: str, **words: Any) -> list[Frame]:
        return [frame for frame in self.frames if {"type": kind, **words}.items() <= frame.items()]

    async def register(self, controller: str = "controller", **frame: Any) -> Frame:
        before = len(self.of("registered"))
        await self.say(type="register", controller=controller, **frame)
        return await self.hears("registered", before + 1)

    async def answer_all(self, word: str) -> None:
        """What it is told, as a controller does, until it is cancelled."""
        answered = 0
        while True:
            asked = await self.hears("narrator", answered + 1)
            await self.say(type="narration", eventId=asked["eventId"], message=f"{word}: {asked['message']}")
            answered += 1

    async def listen(self) -> None:
        """Until the connection is closed."""
        with suppress(ConnectionClosed):
            while True:
                frame: Frame = json.loads(await self.socket.recv(decode=True))
                check_server_frame(frame)
                self.frames.append(frame)
                async with self._changed:
                    self._changed.notify_all()


@asynccontextmanager
async def joined(url: str, conversation_id: str, *, key: str | None = None, **hello: Any) -> AsyncIterator[Party]:
    """Once it is ready."""
    async with open_socket(url, "/ws/chat", key=key) as socket:
        party = Party(socket)
        listening = asyncio.create_task(party.listen(), name="party")
        try:
            await party.say(agentId=AGENT, conversationId=conversation_id, protocol=1, **hello)
            await party.hears("ready")
            yield party
        finally:
            await socket.close()
            await listening


@asynccontextmanager
async def controller(url: str, word: str = "told", *, key: str | None = None, **frame: Any) -> AsyncIterator[Party]:
    """Who is registered, and answers whatever it is told with this word before it."""
    async with joined(url, f"of-{word}", key=key) as party:
        await party.register(**frame)
        answering = asyncio.create_task(party.answer_all(word), name="controller")
        try:
            yield party
        finally:
            answering.cancel()
            await asyncio.wait([answering])
