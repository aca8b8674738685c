"""Viewers of the log dashboard's stream, for tests: what one was told, as it came."""

import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import httpx

from core.telemetry.log_stream.appender import Line
from core.telemetry.log_stream.record import Record, channel_of, encode_record, timestamp
from tests.patience import PATIENCE_SECONDS
from tests.processes import Process

POLL_SECONDS = 0.05


class Gateway(Process):
    url: str

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    @asynccontextmanager
    async def viewer(self, last_event_id: str | None = None, /, **query: Any) -> AsyncIterator["LogViewer"]:
        """Yields once it is told what comes from now on."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as client,
            client.stream("GET", "/stream", headers=headers, params=query) as response,
        ):
            assert response.status_code == 200, await response.aread()
            viewer = LogViewer(response)
            await viewer.until(lambda event: event.name == "status")
            yield viewer

    async def get(self, path: str, **query: Any) -> Any:
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            return (await client.get(path, params=query)).raise_for_status().json()

    async def get_status(self, path: str) -> int:
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            return (await client.get(path)).status_code

    async def listens(self) -> None:
        """Returns once it answers, whatever it says of itself."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                try:
                    await self.get_status("/health")
                except httpx.TransportError:
                    await anyio.sleep(POLL_SECONDS)
                else:
                    return

    async def archived(self, line_id: str) -> None:
        """Returns once the archive has it."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while (await self.get("/health"))["archived"] != line_id:  # noqa: ASYNC110
                await anyio.sleep(POLL_SECONDS)

    async def history(self, **query: Any) -> list[str]:
        """The messages of a page."""
        return [line["message"] for line in (await self.get("/history", **query))["lines"]]


class LogEvent(NamedTuple):
    name: str
    """line, or what the event is called."""
    data: dict[str, Any]
    id: str


class LogViewer:
    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""
        self.events: list[LogEvent] = []

    @property
    def messages(self) -> list[str]:
        return [event.data["message"] for event in self.events if event.name == "line"]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.name == name]

    async def until(self, wanted: Callable[[LogEvent], bool]) -> LogEvent:
        """Reads up to an event. Raises TimeoutError."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                event = await self._next()
                self.events.append(event)
                if wanted(event):
                    return event

    async def until_message(self, text: str) -> LogEvent:
        return await self.until(lambda event: event.name == "line" and event.data["message"] == text)

    async def _next(self) -> LogEvent:
        name, data = "line", ""
        async for line in self._lines:
            field, _, value = line.partition(": ")
            match field:
                case "event":
                    name = value
                case "data":
                    data = value
                case "id":
                    self.last_id = value
                case "" if data:
                    return LogEvent(name, json.loads(data), self.last_id)
        raise AssertionError("the stream has ended")


def line(message: str, service: str = "test", *, channel: str | None = None, at: float = 1.8e9, **more: Any) -> Line:
    """As our own writers send it."""
    record = Record(timestamp(at), service, message, **more)
    return Line(channel or channel_of(record.level), encode_record(record))
