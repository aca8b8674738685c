"""The OpenAI provider: the official SDK against any OpenAI-compatible server.

The SDK's are the client, its address, headers and timeouts, and the errors. The request is sent, and the bytes of the
answer are read, here: the SDK's decoder and models cost a token more than all the rest of its way, and its request with
copies and retries some tenths of a millisecond before the first one.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from math import isfinite
from time import time
from typing import cast

import aiohttp
import httpx2
import msgspec
import openai
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai._models import FinalRequestOptions
from openai._vendor.httpx_aiohttp.transport import AiohttpResponseStream

from core.idle_timer import IdleTimer
from core.model.errors import ProviderDropped, ProviderError
from core.model.parts import Part
from core.providers.base import Finish, Item, Request, Stream
from core.providers.openai.chunks import BadChunk, ChunkReader, ErrorChunk
from core.providers.sse import EventReader, EventTooLarge

TRANSIENT_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
MAX_ERROR_CHARS = 500
MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body: all that is read of it."""
DRAIN_SECONDS = 0.1
TOO_LATE = "the model's service did not answer in time"
BROKE_OFF = "the model's service cannot be reached or broke off; see OPENAI_BASE_URL"
_BROKEN = (httpx2.RequestError, aiohttp.ClientError, RuntimeError)
"""The SDK's transport translates most of aiohttp's errors, and passes others on; a connection that aiohttp has closed
over what came is a RuntimeError."""


class OpenAIProvider:
    name = "openai"

    def __init__(self, api_key: str, base_url: str | None, timeout: float) -> None:
        """`timeout`: seconds without a byte after which the service counts as failed."""
        self._timeout = timeout
        self._client = _Client(
            api_key=api_key,
            base_url=base_url,
            timeout=httpx2.Timeout(timeout, read=None),  # the stream minds that by itself, for less
            max_retries=0,  # the generation retries, and honours Retry-After in one place
            http_client=DefaultAioHttpClient(timeout=timeout),
        )
        self._limit_name = "max_tokens" if base_url else "max_completion_tokens"

    def stream(self, request: Request) -> Stream:
        return _Answer(self._client, self._body(request), self._timeout)

    async def close(self) -> None:
        await self._client.close()

    def _body(self, request: Request) -> dict[str, object]:
        options = dict(request.options)
        if "max_tokens" in options:
            options[self._limit_name] = options.pop("max_tokens")
        return {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **options,
        }


class _Answer(Stream):
    def __init__(self, client: "_Client", body: dict[str, object], timeout: float) -> None:
        super().__init__(self._read(client, body, timeout))
        self._events, self._reader = EventReader(), ChunkReader()
        self._idle_timer = IdleTimer(timeout, self._hang_up)
        self._response: httpx2.Response | None = None
        self._plain: aiohttp.ClientResponse | None = None
        """The response, where its bytes can be looked at: not those of a compressed body."""
        self._failure: Exception | None = None
        """Comes after what was read last."""
        self._closing: asyncio.Task[None] | None = None

    def ready_parts(self) -> list[Part]:
        if self._plain is None or self._failure or self._reader.is_done:
            return []
        raw = self._plain.content._read_nowait(-1)  # the public one hides what came before the connection broke
        return self._decode(raw) if raw else []

    def hold(self) -> None:
        if transport := self._transport():
            transport.pause_reading()

    def release(self) -> None:
        if transport := self._transport():
            transport.resume_reading()

    def _transport(self) -> asyncio.Transport | None:
        """What can be paused. None as soon as the response is whole: then its connection may be another's."""
        connection = self._plain.connection if self._plain else None
        transport = connection.transport if connection else None
        if transport is None or transport.is_closing() or _is_encrypted(transport):
            return None
        return transport

    async def _read(self, client: "_Client", body: dict[str, object], timeout: float) -> AsyncGenerator[Item]:
        reader = self._reader
        try:
            async with asyncio.timeout(timeout):
                self._response = response = await client.ask(body)
            try:
                self._plain = _plain(response)
                with self._idle_timer:
                    async for raw in _raw(response):
                        if parts := self._decode(raw):
                            yield parts
                        if self._failure is not None:
                            raise self._failure
                        if reader.is_done:
                            await _drain(response)
                            break
            except _BROKEN as error:
                if parts := self.ready_parts():  # they came before it broke
                    yield parts
                if self._failure is not None:
                    raise self._failure from error
                if not reader.is_done:
                    raise
            finally:
                await response.aclose()
                if self._closing is not None:
                    await self._closing
        except TimeoutError as error:
            raise _failure(TOO_LATE, reader.started, True) from error
        except openai.APIError as error:
            raise _provider_error(error, started=reader.started) from error
        except _BROKEN as error:
            raise _failure(TOO_LATE if self._idle_timer.is_idle else BROKE_OFF, reader.started, True) from error
        except ErrorChunk as error:
            raise _failure(f"the model's service reported: {str(error)[:MAX_ERROR_CHARS]}", reader.started) from error
        except (BadChunk, EventTooLarge) as error:
            raise _failure("the model's service sent something that is no chat completion", reader.started) from error
        if calls := reader.tool_calls():
            yield calls
        if reader.finish_reason is None:
            raise _failure("the model's service ended the stream without finishing the answer", reader.started, True)
        yield Finish(reader.finish_reason, reader.usage)

    def _decode(self, raw: bytes) -> list[Part]:
        self._idle_timer.touch()
        try:
            events = self._events.feed(raw)
        except EventTooLarge as error:
            self._failure = error
            return []
        parts, self._failure = self._reader.read_all(events)
        return parts

    def _hang_up(self) -> None:
        """On a service that is silent: whoever reads gets an error."""
        if self._response is not None and self._closing is None:
            self._closing = asyncio.create_task(self._response.aclose(), name="hang up")


class _Client(AsyncOpenAI):
    async def ask(self, body: dict[str, object]) -> httpx2.Response:
        """A chat completion, whose stream has begun. Raises the SDK's errors, as its own `request` does."""
        like = self._like
        content = msgspec.json.encode(body)
        request = httpx2.Request("POST", like.url, headers=like.headers, content=content, extensions=like.extensions)
        try:
            response = await _send(self._client, request)
            refusal = None if response.is_success else await _shortened(response)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request) from error
        except _BROKEN as error:
            raise openai.APIConnectionError(request=request) from error
        if refusal is not None:
            raise self._make_status_error_from_response(refusal)
        return response

    @cached_property
    def _like(self) -> httpx2.Request:
        """Headers and URL are the same for every chat completion."""
        options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data={})
        request = self._build_request(options)
        del request.headers["content-length"]
        return request


async def _send(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    """The response, whose body is still to be read.

    Straight by the client's transport: auth, cookies and hooks, which nothing here uses, take longer than that.
    """
    response = await client._transport_for_url(request.url).handle_async_request(request)
    response.request = request
    if response.has_redirect_location:
        await response.aclose()
        return await client.send(request, stream=True)
    return response


async def _shortened(response: httpx2.Response) -> httpx2.Response:
    """With no more of its body than an error can be told by."""
    body = b""
    async with aclosing(response.aiter_bytes()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > MAX_ERROR_BYTES:
                break
    await response.aclose()
    headers = {"retry-after": response.headers["retry-after"]} if "retry-after" in response.headers else None
    return httpx2.Response(
        response.status_code, headers=headers, content=body[:MAX_ERROR_BYTES], request=response.request
    )


def _is_encrypted(transport: asyncio.Transport) -> bool:
    """Such a one must not be paused: when its peer closes, uvloop forgets what it has received but not passed on."""
    return transport.get_extra_info("sslcontext") is not None


def _is_plain(response: httpx2.Response) -> bool:
    """Whether the service has not compressed the body."""
    return response.headers.get("content-encoding", "identity") == "identity"


def _raw(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body as it arrives; decoded only where the service has compressed it."""
    return cast(AsyncIterator[bytes], response.stream) if _is_plain(response) else response.aiter_bytes()


def _plain(response: httpx2.Response) -> aiohttp.ClientResponse | None:
    stream = response.stream
    if isinstance(stream, AiohttpResponseStream) and _is_plain(response):  # not so after a redirect
        return stream._aiohttp_response
    return None


async def _drain(response: httpx2.Response) -> None:
    """Read on to the response's proper end, so that its connection can be used again."""
    with suppress(TimeoutError, httpx2.HTTPError, httpx2.StreamError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in cast(AsyncIterator[bytes], response.stream):
                pass


def _provider_error(error: openai.APIError, *, started: bool) -> ProviderError:
    match error:  # a refused connection comes as a timeout to connect, too
        case openai.APITimeoutError() if not isinstance(error.__cause__, httpx2.ConnectTimeout):
            return _failure(TOO_LATE, started, True)
        case openai.APIConnectionError():
            return _failure(BROKE_OFF, started, True)
        case openai.APIStatusError(status_code=401 | 403 as status):
            # The service's own text may quote the key.
            return ProviderError(f"the model's service refused the key ({status}); see OPENAI_API_KEY")
        case openai.APIStatusError():
            return ProviderError(
                f"the model's service answered {error.status_code}: {error.message[:MAX_ERROR_CHARS]}",
                transient=error.status_code in TRANSIENT_STATUSES,
                retry_after=_retry_after(error),
            )
    return _failure(f"the model's service reported: {error.message[:MAX_ERROR_CHARS]}", started)


def _failure(message: str, started: bool, transient: bool = False) -> ProviderError:
    return ProviderDropped(message) if started else ProviderError(message, transient=transient)


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds from now, which the header gives as such or as a date (RFC 9110, 10.2.3)."""
    value = error.response.headers.get("retry-after", "")
    try:
        seconds = float(value)
        return max(0.0, seconds) if isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
