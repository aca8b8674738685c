"""A provider that asks a service over HTTP, with one address for all requests, and reads the answer as it comes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property, partial
from typing import Any, NamedTuple

import msgspec

from core.providers.answer import Choose, HttpAnswer
from core.providers.base import Request, Stream
from core.providers.failures import Service
from core.providers.http import Body, HttpClient
from core.providers.reader import PartReader


class Endpoint(NamedTuple):
    url: str
    headers: dict[str, str]


class HttpProvider(ABC):
    def __init__(self, name: str, default_model: str, service: Service, http: HttpClient) -> None:
        self.name = name
        self.default_model = default_model
        self._service = service
        self._http = http

    def prepare(self) -> None:
        self._http.prepare()
        _ = self._endpoint

    def stream(self, request: Request) -> Stream:
        return HttpAnswer(partial(self._ask, request), self._choose_splitter(), self._new_reader(), self._service)

    async def close(self) -> None:
        await self._http.close()

    @abstractmethod
    def _find_endpoint(self) -> Endpoint:
        """As the service's own SDK makes it of the settings; loading that takes a while."""

    @abstractmethod
    def _choose_splitter(self) -> Choose: ...

    @abstractmethod
    def _new_reader(self) -> PartReader: ...

    @abstractmethod
    def _body(self, request: Request) -> dict[str, Any]:
        """Raises ProviderError for what the service cannot be asked."""

    def _url(self, request: Request) -> str:
        return self._endpoint.url

    @cached_property
    def _endpoint(self) -> Endpoint:
        return self._find_endpoint()

    @asynccontextmanager
    async def _ask(self, request: Request) -> AsyncIterator[Body]:
        content = msgspec.json.encode(self._body(request))
        async with self._http.post(self._url(request), self._endpoint.headers, content) as body:
            yield body
