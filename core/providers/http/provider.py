"""A provider that asks a service over HTTP, with one address for all requests, and reads the answer as it comes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from typing import Any, Generic, NamedTuple, Self

import msgspec

from core.providers.base import Request, Stream
from core.providers.http.answer import Choose, HttpAnswer
from core.providers.http.client import Body, HttpClient
from core.providers.http.dialect import D, Dialects
from core.providers.http.failures import Refused, Service
from core.providers.http.reader import PartReader


def _merged(body: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """What is in both is `more`'s, but for objects, which are merged as well."""
    merged = dict(body)
    for name, value in more.items():
        known = merged.get(name)
        merged[name] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


NO_KEY = "none"
"""For SDKs that want one, where a service wants none; it is not sent."""
_KEY_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key"})


class Endpoint(NamedTuple):
    url: str
    headers: dict[str, str]

    def without_key(self) -> Self:
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _KEY_HEADERS}
        return self._replace(headers=kept)


class HttpProvider(ABC, Generic[D]):
    def __init__(self, name: str, service: Service, http: HttpClient, usual_dialect: D, *, has_key: bool) -> None:
        self.name = name
        self._has_key = has_key
        self._service = service
        self._http = http
        self._dialects = Dialects(usual_dialect)

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
    def _body(self, request: Request, dialect: D) -> dict[str, Any]:
        """Raises ProviderError for what the service cannot be asked."""

    def _url(self, request: Request, dialect: D) -> str:
        return self._endpoint.url

    @cached_property
    def _endpoint(self) -> Endpoint:
        endpoint = self._find_endpoint()
        return endpoint if self._has_key else endpoint.without_key()

    @asynccontextmanager
    async def _ask(self, request: Request) -> AsyncIterator[Body]:
        """Once more where the service has to be asked in another way."""
        dialect = self._dialects.of(request.model)
        refused_dialects = set[D]()
        async with AsyncExitStack() as stack:
            while True:
                content = msgspec.json.encode(_merged(self._body(request, dialect), request.provider_options))
                post = self._http.post(self._url(request, dialect), self._endpoint.headers, content)
                try:
                    body = await stack.enter_async_context(post)
                    break
                except Refused as refused:
                    refused_dialects.add(dialect)
                    other = dialect.after(refused, request)
                    if other is None or other in refused_dialects:
                        raise
                    dialect = other
            if refused_dialects:
                self._dialects.remember(request.model, dialect)
            yield body
