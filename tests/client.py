"""A client of the API for tests: asks, and reads streams event by event."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

TIMEOUT = httpx.Timeout(30)


class SseEvent(NamedTuple):
    id: str | None
    data: dict[str, Any]


class Client:
    """One API process. Also counts: `text()` of a stream is what a reader saw, restarts applied."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT)

    async def ask(self, message: str = "hello", **fields: Any) -> httpx.Response:
        return await self.http.post("/chat", json={"message": message, **fields})

    @asynccontextmanager
    async def stream(self, session_id: str, last_event_id: str | None = None, **query: Any) -> AsyncIterator["Stream"]:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        async with self.http.stream("GET", f"/stream/{session_id}", headers=headers, params=query) as response:
            yield Stream(response)

    async def read(self, session_id: str, last_event_id: str | None = None, **query: Any) -> list[SseEvent]:
        """A stream to its end."""
        async with self.stream(session_id, last_event_id, **query) as stream:
            return [event async for event in stream.events()]

    async def close(self) -> None:
        await self.http.aclose()


class Stream:
    def __init__(self, response: httpx.Response) -> None:
        self.response = response

    async def events(self) -> AsyncIterator[SseEvent]:
        """Comments and `retry` are left out."""
        event_id: str | None = None
        async for line in self.response.aiter_lines():
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                yield SseEvent(event_id, json.loads(line[6:]))
                event_id = None


def new_session() -> str:
    return f"s-{secrets.token_hex(8)}"


def text_of(events: list[SseEvent]) -> str:
    """The answer that a reader of these events has on its screen."""
    text = ""
    for event in events:
        if event.data.get("type") == "restart":
            text = ""
        text += event.data.get("chunk", "")
    return text


def numbered(tokens: int) -> str:
    """The mock upstream's numbered text."""
    return "".join(f"t{index:06d} " for index in range(tokens))
