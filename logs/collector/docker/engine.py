"""The part of a Docker engine's HTTP API that reads: by its socket, or by a proxy before it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp

NEWEST_API = (1, 47)
"""What we have been written for; an older engine is asked in its own version."""
ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 5.0
SILENT_SECONDS = 300.0
"""A stream that says nothing for so long is opened anew: some hang for ever after a rotation (moby #45728)."""
MOST_BYTES = 64 * 1024 * 1024
"""Of an answer that is read as a whole."""

EngineError = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""The engine is away, or answers what is no answer."""

Streamed = AbstractAsyncContextManager[aiohttp.ClientResponse]
"""The content is read as it comes. Raises NotFound, too."""
STREAM = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)
EVENTS = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=None)


class NotFound(Exception):
    """The engine knows no such container."""


class Engine:
    """`open`, then the rest, then `close`. All of it raises EngineError."""

    def __init__(self, host: str) -> None:
        """As DOCKER_HOST: unix:///path, tcp://host:port or http://host:port."""
        scheme, _, rest = host.partition("://")
        is_socket = scheme == "unix"
        self._socket = rest if is_socket else None
        self._base = "http://docker" if is_socket else f"http://{rest.rstrip('/')}"
        self._session: aiohttp.ClientSession | None = None
        self._version = ""

    async def open(self) -> None:
        """Agrees on a version, anew each time: the engine may have been replaced. Raises EngineError."""
        if self._session is None:
            connector = aiohttp.UnixConnector(self._socket, limit=0) if self._socket else aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=128 * 1024)
        answer = await self._get("/version", {})
        newest, oldest = _version(answer.get("ApiVersion")), _version(answer.get("MinAPIVersion"))
        self._version = "/v{}.{}".format(*max(min(NEWEST_API, newest), oldest))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, **query: str) -> Any:
        """Raises EngineError and NotFound."""
        return await self._get(self._version + path, query)

    async def _get(self, path: str, query: Mapping[str, str]) -> Any:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, connect=CONNECT_SECONDS)
        async with self._request(path, query, timeout) as response:
            return json.loads(await read(response))

    async def containers(self) -> list[dict[str, Any]]:
        """Those that have ended, too."""
        return [item for item in await self.get("/containers/json", all="1") if isinstance(item, dict)]

    async def inspect(self, container: str) -> dict[str, Any]:
        """Raises NotFound."""
        values: dict[str, Any] = await self.get(f"/containers/{container}/json")
        return values

    def logs(self, container: str, *, since: str, follow: bool) -> Streamed:
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "since": since, "follow": "1" if follow else "0"}
        return self.request(f"/containers/{container}/logs", query, STREAM)

    def events(self, *, since: str) -> Streamed:
        kinds = ["start", "die", "oom", "health_status", "destroy"]
        filters = json.dumps({"type": ["container"], "event": kinds})
        return self.request("/events", {"since": since, "filters": filters}, EVENTS)

    def request(self, path: str, query: Mapping[str, str], timeout: aiohttp.ClientTimeout) -> Streamed:
        """Of the version that was agreed on."""
        return self._request(self._version + path, query, timeout)

    @asynccontextmanager
    async def _request(
        self, path: str, query: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Raises NotFound, too."""
        if self._session is None:
            raise ConnectionError("not connected")
        async with self._session.get(
            self._base + path, params=query, timeout=timeout, allow_redirects=False
        ) as response:
            if response.status == 404:
                raise NotFound(path)
            if response.status != 200:
                text = (await response.content.read(500)).decode("utf-8", "replace")
                raise ValueError(f"the engine answers {response.status}: {text}")
            yield response


async def read(response: aiohttp.ClientResponse) -> bytes:
    """All of it. Raises ValueError if it is too much."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise ValueError("the engine answers more than one can read")
    return b"".join(parts)


def _version(text: object) -> tuple[int, int]:
    major, _, minor = str(text or "").partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (1, 24)
