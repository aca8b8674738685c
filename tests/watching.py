"""Watchers of the API, for tests: what one was told, held to the schema, and what its reader has of each stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import httpx
import jsonschema_rs
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.patience import PATIENCE_SECONDS
from tests.sockets import open_socket
from tests.stack import ROOT

SCHEMA = json.loads((ROOT / "docs" / "events.schema.json").read_text())
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)
Data = dict[str, Any]
TOKENS = 40
"""Of an answer that is watched."""


def held(session: str) -> str:
    """The name of a model whose answer stops in its middle until it is released."""
    return f"mock?tokens={TOKENS}&rate=100&hold_after={TOKENS // 2}&id={session}"


class Event(NamedTuple):
    name: str
    data: Data
    id: str | None = None
    """By which the connection goes on."""

    def check(self) -> None:
        """Raises ValidationError."""
        VALIDATOR.validate({"type": "event", "event": self.name, "data": self.data})


class Screen:
    """What a reader has of one stream."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.text = ""
        self.reasoning = ""
        self.chunks = 0
        self.end: Event | None = None

    def read(self, event: Event) -> None:
        assert self.end is None, f"{event} after the end"
        data = event.data
        self.events.append(event)
        match event.name:
            case "llm.stream.chunk":
                assert data["index"] == self.chunks, f"a gap before {event}"
                self.chunks += 1
                self.text += data["chunk"]
                self.reasoning += data.get("reasoning", "")
            case "llm.stream.restart":
                self.text = self.reasoning = ""
            case "llm.stream.end" | "llm.stream.error":
                self.end = event
                assert data["totalChunks"] == self.chunks

    @property
    def names(self) -> list[str]:
        """Of the events, each once where several of a kind follow each other."""
        names = [event.name.removeprefix("llm.stream.") for event in self.events]
        return [name for number, name in enumerate(names) if number == 0 or names[number - 1] != name]


class Watch:
    """What one watcher was told. A connection that goes on adds to it; its chunks are counted anew."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.words: list[Data] = []
        """Messages that are no events."""
        self.screens: dict[str, Screen] = {}
        self.missed = 0
        self.last_id: str | None = None
        self.is_cut_off = False
        self._changed = asyncio.Event()

    def screen(self, session_id: str, turn: int = 1) -> Screen:
        return self.screens.setdefault(f"{session_id}.{turn}", Screen())

    def go_on(self) -> None:
        """On another connection."""
        self.is_cut_off = False
        for screen in self.screens.values():
            screen.chunks = 0

    def hear(self, event: Event) -> None:
        event.check()
        self.events.append(event)
        self.last_id = event.id or self.last_id
        if event.name == "lagged":
            self.missed += event.data["missed"]
        else:
            self.screens.setdefault(event.data["requestId"], Screen()).read(event)
        self._changed.set()

    def hear_words(self, words: Data) -> None:
        self.words.append(words)
        self._changed.set()

    def said(self, kind: str) -> bool:
        return any(words["type"] == kind for words in self.words)

    def ended(self, *sessions: str) -> bool:
        return all(self.screen(session).end is not None for session in sessions)

    async def until(self, is_so: Callable[[], object]) -> None:
        """Raises TimeoutError."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not is_so():
                await self._changed.wait()
                self._changed.clear()


class SocketWatch(Watch):
    socket: ClientConnection

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def subscribe(self, **what: Any) -> None:
        await self.send(type="subscribe", **what)
        await self.until(lambda: {"type": "subscribed", **what} in self.words)

    async def unsubscribe(self, **what: Any) -> None:
        await self.send(type="unsubscribe", **what)
        await self.until(lambda: {"type": "unsubscribed", **what} in self.words)

    async def read(self) -> None:
        try:
            async for message in self.socket:
                frame = json.loads(message)
                if frame["type"] == "event":
                    self.hear(Event(frame["event"], frame["data"], frame.get("id")))
                else:
                    self.hear_words(frame)
        except ConnectionClosed:
            return


@asynccontextmanager
async def watching(url: str, watch: SocketWatch | None = None, **details: Any) -> AsyncIterator[SocketWatch]:
    """Over a WebSocket, from when it is ready. `details`: of `open_socket`, and the query."""
    watch = watch or SocketWatch()
    async with open_socket(url, "/ws/events", **details) as watch.socket:
        reading = asyncio.create_task(watch.read())
        await watch.until(lambda: watch.said("ready") or reading.done())
        try:
            yield watch
        finally:
            reading.cancel()
            await asyncio.wait([reading])
    if not reading.cancelled():
        reading.result()


class SseWatch(Watch):
    """Over Server-Sent Events, read by the standard's rules as far as they are used here."""

    def __init__(self) -> None:
        super().__init__()
        self.retry: str | None = None

    async def read(self, response: httpx.Response) -> None:
        try:
            await self.read_lines(response.aiter_lines())
        except httpx.TransportError:
            self.is_cut_off = True
            self._changed.set()

    async def read_lines(self, lines: AsyncIterator[str], is_enough: Callable[[], bool] = lambda: False) -> None:
        event: dict[str, str] = {}
        async for line in lines:
            name, _, value = line.partition(": ")
            if name == "retry":
                self.retry = value
                self._changed.set()
            elif name:
                event[name] = value
            elif "data" in event:
                self.hear(Event(event["event"], json.loads(event["data"]), event.get("id")))
                event = {}
                if is_enough():
                    return


@asynccontextmanager
async def watching_sse(
    url: str, watch: SseWatch | None = None, *, key: str | None = None, last_event_id: str | None = None, **query: Any
) -> AsyncIterator[SseWatch]:
    """Once its head has come."""
    watch = watch or SseWatch()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with (
        httpx.AsyncClient(timeout=PATIENCE_SECONDS, headers=headers) as http,
        http.stream("GET", f"{url}/events", params=query) as response,
    ):
        assert response.status_code == 200, await response.aread()
        reading = asyncio.create_task(watch.read(response))
        try:
            yield watch
        finally:
            reading.cancel()
            await asyncio.wait([reading])
    if not reading.cancelled():
        reading.result()
