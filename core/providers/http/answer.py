"""An answer as a service sends it over HTTP: bytes become events, and events become parts."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

from core.model.parts import Part
from core.providers.base import Finish, Item, Stream, Told
from core.providers.http.client import Body
from core.providers.http.failures import EndedEarly, ReportedError, Service, ServiceFailure, Unreadable, provider_error
from core.providers.http.reader import PartReader, ServerEvent
from core.providers.http.service_error import ServiceError

MAX_UNREAD_BYTES = 1024 * 1024
"""When so much is received and not yet read, the rest is left with the service."""
END_SECONDS = 0.1
"""For the proper end of a response whose last event has come, so that its connection can be used again."""
LAST_WORDS_SECONDS = 3.0
"""For what may follow the finish of an answer, such as its usage: some services end neither stream nor response."""

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""A server that never ends an event must not fill the memory. Real ones have a few hundred bytes."""
MAX_TEXT_BYTES = 2000
"""Of a text about an error: more than is told of it."""
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"", b"data", b"event", b"id", b"retry", b"error")
"""A field without a name is a comment."""

Ask = Callable[[], AbstractAsyncContextManager[Body]]
"""Sends the request, as `HttpClient.post` does."""


class EventSplitter(Protocol):
    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        """The events that these bytes complete. `is_last`: the response ended properly with them.

        Raises ServiceFailure.
        """


Choose = Callable[[bytes], EventSplitter | None]
"""What splits a body that begins with these bytes; None as long as they do not tell. Raises ServiceFailure."""


class HttpAnswer(Stream):
    """An answer over HTTP. A task of its own receives it: the bytes that came just before a connection broke are given
    by aiohttp only to a reader who was already waiting for them."""

    def __init__(self, ask: Ask, choose: Choose, reader: PartReader, service: Service) -> None:
        self._ask = ask
        self._choose = choose
        self._splitter: EventSplitter | None = None
        self._reader = reader
        self._service = service
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
        self._is_whole = False
        """Whether all has come, and its end is still to be read."""
        self._is_over = False
        """Whether no more is waited for."""
        self._last: list[Item] | None = None
        """What is still to be given, once everything is read."""

    async def __anext__(self) -> Item:
        if self._last is not None:
            return self._last_item(self._last)
        if self._receiving is None:
            self._receiving = asyncio.create_task(self._receive(), name="receive an answer")
        while not (parts := self.ready_parts()):
            if self._is_over or self._failure or self._reader.is_done or self._receiving.done():
                self._last = await self._end(self._receiving)
                return self._last_item(self._last)
            await self._wait_for_bytes(self._receiving)
        return parts

    def ready_parts(self) -> list[Part]:
        if self._failure or not (self._unread or self._is_whole):
            return []
        parts: list[Part] = []
        try:
            if self._splitter is None:
                self._splitter = self._choose(bytes(self._unread))
                if self._splitter is None:
                    if len(self._unread) > MAX_UNREAD_BYTES:
                        raise EventTooLarge(f"the answer begins with more than {MAX_UNREAD_BYTES} bytes of white space")
                    return []
            raw, is_whole = bytes(self._unread), self._is_whole
            self._unread.clear()
            self._is_whole = False
            self._is_read.set()
            self._reader.read(self._splitter.feed(raw, is_last=is_whole), parts)
        except ServiceFailure as failure:
            self._failure = failure
        self._has_begun = self._has_begun or bool(parts)
        return parts

    def told(self) -> Told:
        return self._reader.told

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
            self._is_whole = True
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            self._has_come.set()

    async def _wait_for_bytes(self, receiving: asyncio.Task[None]) -> None:
        self._has_come.clear()
        try:
            if not self._reader.is_finished:
                await self._has_come.wait()
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_SECONDS):
                    await self._has_come.wait()
                    return
            self._is_over = True
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
        """Once the service has told how the answer finished, what goes wrong after that is no loss."""
        try:
            if self._failure is not None and not (self._reader.is_finished and self._has_begun):
                raise self._failure
            end = self._reader.end()
            if end is not None:
                return end
            raise self._error or EndedEarly()
        except ServiceFailure as failure:
            raise provider_error(failure, self._service, has_begun=self._has_begun) from failure

    def _last_item(self, items: list[Item]) -> Item:
        if not items:
            raise StopAsyncIteration
        return items.pop(0)


class EventTooLarge(Unreadable):
    """An event of a stream does not end."""


class SseSplitter:
    """Gives the events of a stream as they are complete. Their ids and times to reconnect after say nothing here.

    In two things this is more lenient than the standard. Older servers of llama.cpp tell of an error in a field `error`
    where others have `data`. And a last event that lacks its empty line counts, because a service that ended its
    response properly has sent all of it.
    """

    def __init__(self) -> None:
        self._rest = b""
        """Of a line that is not complete."""
        self._is_first = True
        """Whether a byte order mark may come."""
        self._has_ended_by_cr = False
        """So that a line feed that comes next is of the same line end."""
        self._data: list[bytes] = []
        self._size = 0
        """Of `_data`, bytes."""
        self._is_error = False
        self._has_fields = False
        """Whether there was a field that such streams have. Until there is one, this may be a text."""
        self._text = b""

    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        """Raises EventTooLarge; ReportedError for a body without a single field, which is a text about an error."""
        if self._has_ended_by_cr and raw:
            raw = raw.removeprefix(b"\n")
        received = self._rest + raw
        if self._is_first:
            if _BOM.startswith(received) and not is_last:
                self._rest = received
                return []
            received, self._is_first = received.removeprefix(_BOM), False
        if is_last:
            received += b"\n\n"
        lines = received.splitlines()
        self._has_ended_by_cr = received.endswith(b"\r")
        self._rest = b"" if received.endswith((b"\n", b"\r")) or not lines else lines.pop()
        events = []
        for line in lines:
            if line.startswith(b"data:"):  # nearly always
                self._data.append(line[5:].removeprefix(b" "))
                self._size += len(line)
                self._has_fields = True
            elif line:
                self._read_field(line)
            else:
                if self._data:
                    events.append(ServerEvent(b"\n".join(self._data), self._is_error))
                self._data, self._size, self._is_error = [], 0, False
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has more than {MAX_EVENT_BYTES} bytes")
        if is_last and self._text and not self._has_fields:
            raise ReportedError(ServiceError.of_body(self._text))
        return events

    def _read_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(line)
            case b"event":
                self._is_error = value == b"error"
            case b"error" if value.startswith(b"{"):
                self._is_error = True
                self._data.append(value)
                self._size += len(line)
        if name in _FIELDS:
            self._has_fields = True
        elif not self._has_fields:
            self._text = (self._text + line + b"\n")[:MAX_TEXT_BYTES]
