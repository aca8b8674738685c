"""A client of the API for tests: asks, and reads streams event by event."""

import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import anyio
import httpx

from tests.patience import PATIENCE_SECONDS

POLL_SECONDS = 0.03
ASK_AGAIN_SECONDS = 0.5
"""A question that is refused counts for RATE_LIMIT, 120 a minute, as one that is answered."""


class SseEvent(NamedTuple):
    id: str | None
    data: dict[str, Any]


class Client:
    """One API process. Also counts: `text()` of a stream is what a reader saw, restarts applied."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS, headers=headers)

    async def ask(self, message: str = "hello", **fields: Any) -> httpx.Response:
        return await self.http.post("/chat", json={"message": message, **fields})

    async def ask_until_accepted(self, message: str = "hello", **fields: Any) -> None:
        """With pauses. Raises TimeoutError."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while (await self.ask(message, **fields)).status_code != 202:  # noqa: ASYNC110
                await anyio.sleep(ASK_AGAIN_SECONDS)

    @asynccontextmanager
    async def ask_streaming(self, message: str = "hello", *, accept: str, **fields: Any) -> AsyncIterator["Stream"]:
        """POST /chat whose own response is the stream."""
        body = {"message": message, **fields}
        asking = self.http.stream("POST", "/chat", json=body, headers={"Accept": accept})
        async with asking as response, Stream(response) as stream:
            yield stream

    @asynccontextmanager
    async def stream(self, session_id: str, last_event_id: str | None = None, **query: Any) -> AsyncIterator["Stream"]:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        asking = self.http.stream("GET", f"/stream/{session_id}", headers=headers, params=query)
        async with asking as response, Stream(response) as stream:
            yield stream

    async def read(self, session_id: str, last_event_id: str | None = None, **query: Any) -> list[SseEvent]:
        """A stream to its end."""
        async with self.stream(session_id, last_event_id, **query) as stream:
            return [event async for event in stream.events()]

    async def cancel(self, session_id: str) -> httpx.Response:
        return await self.http.post(f"/chat/{session_id}/cancel")

    async def show(self, session_id: str) -> dict[str, Any]:
        """The session, which must exist."""
        response = await self.http.get(f"/sessions/{session_id}")
        response.raise_for_status()
        session: dict[str, Any] = response.json()
        return session

    async def turn(self, session_id: str, number: int = 1) -> dict[str, Any]:
        turn: dict[str, Any] = (await self.show(session_id))["turns"][number - 1]
        return turn

    async def until(self, session_id: str, *statuses: str, number: int = 1) -> dict[str, Any]:
        """The turn, as soon as its status is one of these. Raises TimeoutError."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                turn = await self.turn(session_id, number)
                if turn["status"] in statuses:
                    return turn
                await anyio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def get(url: str) -> httpx.Response:
    """For code that is no coroutine. httpx by itself would wait for 5 s."""
    return httpx.get(url, timeout=PATIENCE_SECONDS)


class Stream:
    """Is held until its block ends: where nobody held it, the garbage collector would close the response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.seen: list[SseEvent] = []
        self.last_id: str | None = None
        self._tail = b""
        """What has come of a line that is not ended: all of a refusal, as a rule."""
        self._lines = self._read_lines()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lines.aclose()

    async def events(self) -> AsyncIterator[SseEvent]:
        """Comments and `retry` are left out. Called again, it goes on with the next event."""
        while (event := await self._next()) is not None:
            yield event

    async def read_until(self, word: str) -> SseEvent:
        """The next event of this type, or with this key (`chunk`). What came before is in `seen`."""
        while (event := await self._next()) is not None:
            if event.data.get("type") == word or word in event.data:
                return event
        raise AssertionError(
            f"the stream ended without {word!r}: {self.seen}, status {self.response.status_code}, {self._tail!r}"
        )

    async def read_chars(self, count: int) -> str:
        """Read until the reader has at least so many characters on its screen."""
        while len(text := text_of(self.seen)) < count:
            await self.read_until("chunk")
        return text

    async def rest(self) -> list[SseEvent]:
        """Everything that was and will be seen, to the end."""
        while await self._next() is not None:
            pass
        return self.seen

    async def _next(self) -> SseEvent | None:
        event_id: str | None = None
        async for line in self._lines:
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                event = SseEvent(event_id, json.loads(line[6:]))
                self.seen.append(event)
                self.last_id = event_id or self.last_id
                return event
        return None

    async def _read_lines(self) -> AsyncGenerator[str]:
        """Server-Sent Events end lines as bytes do; httpx's own lines also end at U+2028 and the like."""
        async for data in self.response.aiter_bytes():
            *lines, self._tail = (self._tail + data).split(b"\n")
            for line in lines:
                yield line.decode()


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


def types_of(events: list[SseEvent]) -> list[str]:
    """The types of the events that are no deltas, in order."""
    return [event.data["type"] for event in events if "type" in event.data]


def numbered(tokens: int) -> str:
    """The mock upstream's numbered text."""
    return "".join(f"t{index:06d} " for index in range(tokens))
