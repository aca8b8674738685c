"""An answer as a service streams it over HTTP: bytes become events, and events become parts."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from core.model.parts import Part
from core.providers.base import Finish, Item, Stream
from core.providers.failures import EndedEarly, ServiceFailure, SettingNames, Unreadable, provider_error
from core.providers.http import Body

MAX_UNREAD_BYTES = 1024 * 1024
"""When so much is received and not yet read, the rest is left with the service."""
END_SECONDS = 0.1
"""For the proper end of a response whose last event has come, so that its connection can be used again."""

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""A server that never ends an event must not fill the memory. Real ones have a few hundred bytes."""

Ask = Callable[[], AbstractAsyncContextManager[Body]]
"""Sends the request, as `HttpClient.post` does."""


class EventSplitter(Protocol):
    def feed(self, raw: bytes) -> list[bytes]:
        """The events that these bytes complete. Raises Unreadable."""


class PartReader(Protocol):
    """Knows one service's events, and remembers of one answer what comes in pieces."""

    is_done: bool
    """Whether the service has said that nothing more comes."""

    def read(self, events: list[bytes], parts: list[Part]) -> None:
        """Add to `parts` those of the events. Raises Unreadable, ReportedError."""

    def end(self) -> tuple[list[Part], Finish] | None:
        """What can be told at the end alone; None where the service has not finished the answer."""


class HttpAnswer(Stream):
    """An answer over HTTP. A task of its own receives it: the bytes that came just before a connection broke are given
    by aiohttp only to a reader who was already waiting for them."""

    def __init__(self, ask: Ask, splitter: EventSplitter, reader: PartReader, names: SettingNames) -> None:
        """`names`: the settings to look at if the service cannot be reached or refuses."""
        self._ask = ask
        self._splitter = splitter
        self._reader = reader
        self._names = names
        self._receiving: asyncio.Task[None] | None = None
        self._unread = bytearray()
        self._has_come = asyncio.Event()
        """Bytes, or their end."""
        self._is_read = asyncio.Event()
        self._error: Exception | None = None
        """Why receiving ended."""
        self._failure: ServiceFailure | None = None
        """Why reading parts ended, perhaps while bytes still come."""
        self._has_begun = False
        """Whether there were parts."""
        self._last: list[Item] | None = None
        """What is still to be given, once everything is read."""

    async def __anext__(self) -> Item:
        if self._last is not None:
            return self._last_item(self._last)
        if self._receiving is None:
            self._receiving = asyncio.create_task(self._receive(), name="receive an answer")
        while not (parts := self.ready_parts()):
            if self._failure or self._reader.is_done or self._receiving.done():
                self._last = await self._end(self._receiving)
                return self._last_item(self._last)
            await self._wait_for_bytes(self._receiving)
        return parts

    def ready_parts(self) -> list[Part]:
        if not self._unread or self._failure:
            return []
        raw = bytes(self._unread)
        self._unread.clear()
        self._is_read.set()
        parts: list[Part] = []
        try:
            self._reader.read(self._splitter.feed(raw), parts)
        except ServiceFailure as failure:
            self._failure = failure
        self._has_begun = self._has_begun or bool(parts)
        return parts

    async def aclose(self) -> None:
        self._last = []
        self._unread.clear()
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.wait([self._receiving])

    async def _receive(self) -> None:
        try:
            async with self._ask() as body:
                while raw := await body.content.readany():
                    body.touch()
                    self._unread += raw
                    self._has_come.set()
                    if len(self._unread) > MAX_UNREAD_BYTES:
                        self._is_read.clear()
                        await self._is_read.wait()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            self._has_come.set()

    async def _wait_for_bytes(self, receiving: asyncio.Task[None]) -> None:
        self._has_come.clear()
        try:
            await self._has_come.wait()
        except asyncio.CancelledError:
            receiving.cancel()
            raise

    async def _end(self, receiving: asyncio.Task[None]) -> list[Item]:
        """The last items. Raises ProviderError."""
        self._last = []
        try:
            parts, finish = self._finished()
            await asyncio.wait([receiving], timeout=END_SECONDS)
        finally:
            receiving.cancel()
        return [parts, finish] if parts else [finish]

    def _finished(self) -> tuple[list[Part], Finish]:
        error = self._failure or (None if self._reader.is_done else self._error)
        end = None if error else self._reader.end()
        if end is not None:
            return end
        failure = error or EndedEarly()
        if not isinstance(failure, ServiceFailure):
            raise failure
        raise provider_error(failure, self._names, has_begun=self._has_begun) from failure

    def _last_item(self, items: list[Item]) -> Item:
        if not items:
            raise StopAsyncIteration
        return items.pop(0)


class EventTooLarge(Unreadable):
    """An event of a stream does not end."""


class SseSplitter:
    """An EventSplitter for Server-Sent Events (WHATWG HTML 9.2): gives the `data` of each; comments and ids are passed
    over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        """Of `_data`, bytes."""

    def feed(self, raw: bytes) -> list[bytes]:
        """Raises EventTooLarge."""
        *lines, self._rest = (self._rest + raw).split(b"\n")
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
                self._size += len(line)
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return events
