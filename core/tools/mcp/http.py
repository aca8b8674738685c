"""MCP over streamable HTTP, as the SDK does it, with an HTTP client that is on its guard."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR

from core.proxies import proxy_of
from core.tools.mcp.base import MAX_MESSAGE_BYTES

CONNECT_SECONDS = 10.0
"""To connect, and to send a piece of a request. For answers each call has a limit of its own."""
SESSION_FORGOTTEN = -32040
"""The code of a request that was not carried out because of that (MCP, transports, session management); of those that
JSON-RPC leaves to its users."""
_SESSION_HEADER = "mcp-session-id"
_NOT_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
"""As many calls at once as the turns have."""


@asynccontextmanager
async def http(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Any]:
    """The SDK's streams."""
    transport = _Careful(httpx2.AsyncHTTPTransport(proxy=proxy_of(url), limits=_LIMITS))
    async with (
        httpx2.AsyncClient(
            transport=transport,
            headers={**headers, "Accept-Encoding": "identity"},  # so that what comes is as long as it says
            timeout=httpx2.Timeout(CONNECT_SECONDS, read=None),
            trust_env=False,  # no password of .netrc: what is sent stands in TOOLS_FILE
        ) as client,
        _streams(url, client) as streams,
    ):
        yield streams


def _streams(url: str, client: httpx2.AsyncClient) -> AbstractAsyncContextManager[Any]:
    return streamable_http_client(url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES)


class _Careful(httpx2.AsyncBaseTransport):
    """Makes the failure of one request an answer to it: the SDK would end the whole connection, and all other calls
    with it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except _NOT_CONNECTED as error:
            return _refusal(INTERNAL_ERROR, f"it cannot be reached ({type(error).__name__})")
        except httpx2.TransportError as error:
            return _refusal(CONNECTION_CLOSED, f"its connection broke off ({type(error).__name__})")
        refusal = _refusal_of(request, response)
        if refusal is not None:
            await response.aclose()
            return refusal
        is_stream = _kind(response).startswith("text/event-stream")  # maybe endless; its events are bounded by the SDK
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream, None if is_stream else MAX_MESSAGE_BYTES),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """Raises StreamError, the one that the SDK takes for the request's own."""

    def __init__(self, inner: Any, longest: int | None) -> None:
        self._inner = inner
        self._longest = longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        try:
            async for chunk in self._inner:
                length += len(chunk)
                if self._longest is not None and length > self._longest:
                    raise httpx2.StreamError(f"it is longer than {self._longest} bytes")
                yield chunk
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"it broke off ({type(error).__name__})") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


def _refusal_of(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response | None:
    """What is told in the response's place."""
    if response.status_code == httpx2.codes.NOT_FOUND and _SESSION_HEADER in request.headers:
        return _refusal(SESSION_FORGOTTEN, "it has forgotten the session")
    if response.headers.get("content-encoding", "identity") != "identity":
        return _refusal(INTERNAL_ERROR, "its answer is compressed, which was not asked for")
    if response.is_error and not _kind(response).startswith("application/json"):
        return _refusal(INTERNAL_ERROR, f"it answers with HTTP status {response.status_code}")
    return None


def _kind(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").lower()


def _refusal(code: int, words: str) -> httpx2.Response:
    """That the SDK takes for the server's answer to the request."""
    return httpx2.Response(502, json={"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": words}})
