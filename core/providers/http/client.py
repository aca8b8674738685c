"""What all HTTP providers share: one session, time limits, bounded bodies, counters, and closing at once."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from time import time
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urljoin, urlsplit

from core.idle_timer import IdleTimer
from core.providers.http.failures import Broken, NotTrusted, Refused, TooLate, Unreachable
from core.proxies import proxy_of
from core.settings import Settings

if TYPE_CHECKING:
    import aiohttp  # a tenth of a process's start, which needs it for its first question alone

MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body: all that is read of it."""
ERROR_SECONDS = 5.0
"""For an error's body. The status alone says enough."""
CONNECT_SECONDS = 10.0
"""For a connection. A host that does not answer at all is not loading a model."""
MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 307, 308)
_HARMLESS = frozenset({"accept", "content-type", "user-agent"})
"""Headers that anybody may read."""
_PORTS = {"http": 80, "https": 443}
KEEP_ALIVE_SECONDS = 4.0
"""Many servers close a connection that was idle for 5 s, and a request that meets that is lost."""


class Content(Protocol):
    async def readany(self) -> bytes:
        """What has come; waits for something. Empty at the end."""
        ...


class Body(NamedTuple):
    """Of a response, as it comes."""

    content: Content
    touch: Callable[[], None]
    """To be called whenever something has come: a service counts as silent when that was too long ago."""


class HttpClient:
    """Sends a provider's requests, by the proxies of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

    Without `tls` it trusts the certificate authorities of the system, or of SSL_CERT_FILE and SSL_CERT_DIR.
    """

    def __init__(
        self, timeout: float, tls: ssl.SSLContext | None = None, *, first_timeout: float | None = None
    ) -> None:
        """`first_timeout`: seconds to the first byte of a body, in which many services read the prompt or load a model;
        `timeout`: seconds without a byte after that, and in place of the other where that is None."""
        self.requests = 0
        self.bytes_in = 0
        """Of bodies, after decompression."""
        self._timeout = timeout
        self._first_timeout = first_timeout or timeout
        self._tls = tls
        self._proxies: dict[_Origin, str | None] = {}
        self._session: aiohttp.ClientSession | None = None

    def prepare(self) -> None:
        """In a thread, once the process runs: what takes too long to load at its start."""
        _broken()

    def post(self, url: str, headers: Mapping[str, str], content: bytes) -> AbstractAsyncContextManager[Body]:
        """As `request`."""
        return self.request("POST", url, headers, content)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Body]:
        """As `request`."""
        return self.request("GET", url, headers, None)

    @asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> AsyncIterator[Body]:
        """The response, whose body is to be read within the block. Raises Refused, and Broken, there as well.

        The end of the block closes at once, whatever the service does; a connection whose response is whole can be used
        again.
        """
        self.requests += 1
        is_silent = False

        def hang_up() -> None:
            nonlocal is_silent
            is_silent = True
            _abort(response)

        until = asyncio.get_running_loop().time() + self._first_timeout
        try:
            async with asyncio.timeout_at(until):
                try:
                    response = await self._ask(method, url, headers, content)
                except ValueError as error:  # the address is none
                    raise Broken from error
            try:
                if not 200 <= response.status < 300:
                    raise await _refusal(response)
                with IdleTimer(self._timeout, hang_up, first_until=until) as watch:
                    yield Body(response.content, watch.touch)
            finally:
                self.bytes_in += response.content.total_bytes
                _abort(response)
        except TimeoutError as error:
            raise TooLate from error
        except _broken() as error:
            raise TooLate if is_silent else _failure_of(error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> "aiohttp.ClientResponse":
        """Follows redirects, with the same question, but not from https to http; the key, and whatever else may be
        secret, is for the address that it was given for alone. Raises Broken for an address that is none."""
        if self._session is None:  # it needs a running loop
            self._session = self._open_session()
        for is_last in [False] * MAX_REDIRECTS + [True]:
            origin = _origin(url)
            if origin not in self._proxies:
                self._proxies[origin] = proxy_of(url)
            response = await self._session.request(
                method, url, headers=headers, data=content, proxy=self._proxies[origin], allow_redirects=False
            )
            location = response.headers.get("Location") if response.status in _REDIRECTS else None
            target = urljoin(url, location) if location else url
            if is_last or not location or (origin.scheme == "https" and _origin(target).scheme != "https"):
                break
            response.close()
            if _origin(target) not in (origin, _encrypted(origin)):
                headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
            url = target
        return response

    def _open_session(self) -> "aiohttp.ClientSession":
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),  # the rest is limited here
        )


def http_client(settings: Settings, *, least_first_timeout: float = 0.0) -> HttpClient:
    """With the settings' time limits. `least_first_timeout`: of a service that is silent for so long by nature."""
    first_timeout = max(settings.provider_first_timeout, least_first_timeout)
    return HttpClient(settings.provider_timeout, first_timeout=first_timeout)


@cache
def _broken() -> tuple[type[Exception], ...]:
    """What aiohttp raises where a service cannot be reached, breaks off, or speaks no HTTP. A RuntimeError is a
    connection that aiohttp has closed over what came."""
    import aiohttp

    return aiohttp.ClientError, OSError, RuntimeError


def _failure_of(error: Exception) -> Broken:
    import aiohttp

    match error:
        case aiohttp.ClientSSLError():
            return NotTrusted()
        case aiohttp.ClientConnectorError():
            return Unreachable()
        case _:
            return Broken()


async def _refusal(response: "aiohttp.ClientResponse") -> Refused:
    body = b""
    with suppress(*_broken()):
        async with asyncio.timeout(ERROR_SECONDS):
            while len(body) < MAX_ERROR_BYTES and (piece := await response.content.readany()):
                body += piece
    headers = response.headers
    should_retry = {"true": True, "false": False}.get(headers.get("X-Should-Retry", "").lower())
    return Refused(response.status, body[:MAX_ERROR_BYTES], _retry_after(headers.get("Retry-After", "")), should_retry)


def _abort(response: "aiohttp.ClientResponse") -> None:
    """Without TLS's closing handshake and without sending what is left: a frozen service takes part in neither."""
    connection = response.connection  # None where the response is whole
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


class _Origin(NamedTuple):
    scheme: str
    host: str | None
    port: int | None


def _origin(url: str) -> _Origin:
    """Raises ValueError."""
    parts = urlsplit(url)
    return _Origin(parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))


def _encrypted(origin: _Origin) -> _Origin | None:
    """Where a server sends those who come without encryption: its usual port for https."""
    is_usual = (origin.scheme, origin.port) == ("http", _PORTS["http"])
    return _Origin("https", origin.host, _PORTS["https"]) if is_usual else None


def _retry_after(value: str) -> float | None:
    """Seconds from now, which the header gives as such or as a date (RFC 9110, 10.2.3)."""
    try:
        seconds = float(value)
        return max(0.0, seconds) if isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
