"""OpenAI's responses in background mode: an answer that its service keeps, so that whoever takes a turn over fetches
the rest of the same answer. Nothing is generated, or paid for, twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Self

import structlog

from core.providers.base import Access, Kept, Request, Stream
from core.providers.http.answer import Ask, Choose, HttpAnswer
from core.providers.http.body import splitter_of
from core.providers.http.client import Body, HttpClient, http_client
from core.providers.http.dialect import Dialect
from core.providers.http.failures import Refused, Service, ServiceFailure, Unreadable
from core.providers.http.lenient_json import parse
from core.providers.http.provider import NO_KEY, Endpoint, HttpProvider
from core.providers.openai.provider import NAMES, find_endpoint, has_user, secrets_of
from core.providers.openai_responses.events import RUNNING, EventReader
from core.providers.openai_responses.request import body_of
from core.settings import Settings

log = structlog.get_logger()

POLL_SECONDS = 1.0
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
CANCEL_SECONDS = 1.0
_NOT_STREAMED = frozenset({400, 405, 409, 422})
"""Statuses of a response that can no longer be streamed, or could never be."""


class _Streamed(Dialect, frozen=True):
    """Never turns the stream off: without one, a response in background mode comes back at once, and empty."""

    def after(self, refused: Refused, request: Request) -> None:
        return None


class OpenAIResponsesProvider(HttpProvider[Dialect]):
    def __init__(self, api_key: str | None, base_url: str | None, http: HttpClient) -> None:
        super().__init__(
            "openai",
            Service(NAMES, secrets_of(api_key, base_url)),
            http,
            _Streamed(),
            has_key=api_key is not None or has_user(base_url),
        )
        self._api_key = api_key or NO_KEY
        self._base_url = base_url

    @classmethod
    def create(cls, access: Access, settings: Settings) -> Self:
        return cls(access.key, access.base_url, http_client(settings))

    def stream(self, request: Request) -> Stream:
        ask = partial(self._ask, request) if request.kept is None else partial(self._fetch, request.kept)
        reader = EventReader(request.kept, request.on_kept)
        return _KeptAnswer(ask, splitter_of, reader, self._service, self)

    async def cancel(self, response_id: str) -> None:
        """The service stops, and what it has not said yet is not paid for."""
        with suppress(ServiceFailure, TimeoutError):
            async with (
                asyncio.timeout(CANCEL_SECONDS),
                self._http.post(f"{self._url_of(response_id)}/cancel", self._endpoint.headers, b"{}") as body,
            ):
                await body.content.readany()
                return
        log.warning("a response was not cancelled", action="provider.not_cancelled")

    def _find_endpoint(self) -> Endpoint:
        return Endpoint(*find_endpoint(self._api_key, self._base_url, "responses"))

    def _choose_splitter(self) -> Choose:
        return splitter_of

    def _new_reader(self) -> EventReader:
        return EventReader(None, None)

    def _body(self, request: Request, dialect: Dialect) -> dict[str, Any]:
        return body_of(request, streams=dialect.streams)

    def _url_of(self, response_id: str, **query: str) -> str:
        url, _, asked = self._endpoint.url.partition("?")
        parameters = "&".join([*([asked] if asked else []), *(f"{name}={value}" for name, value in query.items())])
        return f"{url}/{response_id}" + (f"?{parameters}" if parameters else "")

    @asynccontextmanager
    async def _fetch(self, kept: Kept) -> AsyncIterator[Body]:
        """The rest of a response as a stream; or, where it can no longer be streamed, all of it once it is finished."""
        after = {"starting_after": str(kept.sequence_number)} if kept.sequence_number else {}
        async with AsyncExitStack() as stack:
            try:
                stream = self._http.get(self._url_of(kept.id, stream="true", **after), self._endpoint.headers)
                body = await stack.enter_async_context(stream)
            except Refused as refused:
                if refused.status not in _NOT_STREAMED:
                    raise
                body = Body(_Document(await self._poll(kept.id)), lambda: None)
            yield body

    async def _poll(self, response_id: str) -> bytes:
        """Raises ServiceFailure."""
        while True:
            document = bytearray()
            async with self._http.get(self._url_of(response_id), self._endpoint.headers) as body:
                while piece := await body.content.readany():
                    body.touch()
                    document += piece
                    if len(document) > MAX_DOCUMENT_BYTES:
                        raise Unreadable("the response does not end")
            try:
                response = parse(bytes(document))
            except ValueError as error:
                raise Unreadable("a response is no JSON") from error
            if not (isinstance(response, dict) and response.get("status") in RUNNING):
                return bytes(document)
            await asyncio.sleep(POLL_SECONDS)


class _Document:
    """Bytes that have come, as a body is read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def readany(self) -> bytes:
        content, self._content = self._content, b""
        return content


class _KeptAnswer(HttpAnswer):
    def __init__(
        self, ask: Ask, choose: Choose, reader: EventReader, service: Service, provider: OpenAIResponsesProvider
    ) -> None:
        super().__init__(ask, choose, reader, service)
        self._provider = provider

    async def cancel(self) -> None:
        kept, is_over = self.told().kept, self._reader.is_finished
        await self.aclose()
        if kept is not None and not is_over:
            await self._provider.cancel(kept.id)
