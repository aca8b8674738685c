"""What the tests of a provider that speaks HTTP start from."""

import ssl
from abc import abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme

from core.model.events import Usage
from core.model.parts import Part, Reasoning, Text
from core.providers.base import Finish, Message, Provider, Request, Stream, Told
from core.providers.http.client import HttpClient
from tests.unit.providers.conformance import Case, Providing
from tests.unit.providers.upstream import END, Then, Upstream, chunk, head, whole

TIMEOUT = 30.0
"""Seconds for which the service may be silent: no test waits so long."""
SHORT_TIMEOUT = 0.3
KERNEL_BYTES = 16 * 1024 * 1024
"""More than the buffers of two sockets hold."""
KEY = "secret-key"
TEXTS = ("Zażółć ", "gęślą ", "jaźń 🫖, ", "é\u0301 and\r\n\ndata: this")


class Ending(Finish, frozen=True):
    """Equal to every finish that tells as much, whatever else its service has told."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Finish) or other.reason != self.reason:
            return False
        mine, told = self.told, other.told
        usage = told.usage and mine.usage and Usage(told.usage.input_tokens, told.usage.output_tokens)
        return usage == mine.usage and mine.model in (None, told.model)

    __hash__ = None  # type: ignore[assignment]


FINISH = Ending("stop", Told(Usage(3, 20)))


class HttpProviding(Providing):
    """A service over plain HTTP; `wire` tells how it says things."""

    is_encrypted: ClassVar = False

    @abstractmethod
    def provider_of(self, url: str, http: HttpClient) -> Provider:
        """With KEY."""

    @abstractmethod
    def event(self, part: Part) -> bytes:
        """That brings a text, reasoning or a whole tool call."""

    @abstractmethod
    def end(self, finish: Finish) -> bytes:
        """All events after those of the parts, up to the last one."""

    @abstractmethod
    def error(self, message: str) -> bytes:
        """The body of a response with an error's status."""

    @abstractmethod
    def error_event(self, message: str) -> bytes:
        """The error that the service reports in mid-stream."""

    def document(self, text: str) -> bytes | None:
        """An answer that comes whole, without a stream; None where the service has no such."""
        return None

    @abstractmethod
    def nonsense(self) -> bytes:
        """An event that such a service would not send."""

    @pytest.fixture
    def tls(self, tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
        """Of the service, and of a client that trusts it."""
        if not self.is_encrypted:
            return None
        authority, service = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(service)
        client = ssl.create_default_context()
        authority.configure_trust(client)
        return service, client

    @pytest.fixture
    async def upstream(self, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None) -> AsyncIterator[Upstream]:
        async with Upstream(tls[0] if tls else None) as upstream:
            self._upstream = upstream
            yield upstream

    @pytest.fixture
    def timeout(self) -> float:
        return TIMEOUT

    @pytest.fixture
    def first_timeout(self) -> float:
        return TIMEOUT

    @pytest.fixture
    async def http(
        self, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None, timeout: float, first_timeout: float
    ) -> AsyncIterator[HttpClient]:
        http = HttpClient(timeout, tls[1] if tls else None, first_timeout=first_timeout)
        yield http
        await http.close()

    @pytest.fixture
    def provider(self, upstream: Upstream, http: HttpClient) -> Provider:
        return self.provider_of(upstream.url, http)

    def ask(self, provider: Provider, case: Case) -> Stream:
        begin = [head(), *map(chunk, self.events(TEXTS))]
        match case:
            case Case.ANSWER:
                self._upstream.say(*begin, chunk(self.end(FINISH)) + END)
            case Case.LONG_ANSWER:
                self._upstream.say(*begin, then=Then.SILENCE)
            case Case.DROP:
                self._upstream.say(*begin, then=Then.BREAK_OFF)
            case Case.FAILURE:
                self._upstream.say(whole(400, self.error("That is no question.")))
            case Case.UNKNOWN_MODEL:
                self._upstream.say(whole(404, self.error(f"The model {self.unknown_model} does not exist.")))
        return stream_of(provider)

    async def until_closed(self) -> None:
        await self._upstream.until_open(0)

    def events(self, texts: tuple[str, ...], kind: type[Text] | type[Reasoning] = Text) -> list[bytes]:
        return [self.event(kind(text)) for text in texts]

    def answer(self, *texts: str, finish: Finish = FINISH) -> bytes:
        """A whole one, as the body of a response."""
        return b"".join(self.events(texts)) + self.end(finish)


def stream_of(provider: Provider, **more: Any) -> Stream:
    return provider.stream(Request("m", [Message("user", "hi")], **more))
