"""The OpenAI provider: the official SDK against any OpenAI-compatible server.

It uses the SDK's raw path (`cast_to=object`): its auth, timeouts and errors without a pydantic model per token.
"""

import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream, DefaultAioHttpClient

from core.errors import ProviderDropped, ProviderError
from core.events import Usage
from core.providers.base import Finish, Request
from core.tape import Part, Reasoning, Text, ToolCall

TRANSIENT_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
MAX_ERROR_CHARS = 500


class OpenAIProvider:
    name = "openai"

    def __init__(self, api_key: str, base_url: str | None, timeout: float) -> None:
        """`timeout`: seconds without a byte after which the service counts as failed."""
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=0,  # the generation retries, and honours Retry-After in one place
            http_client=DefaultAioHttpClient(timeout=timeout),
        )
        self._limit_name = "max_tokens" if base_url else "max_completion_tokens"

    async def stream(self, request: Request) -> AsyncIterator[Part | Finish]:
        reader = _ChunkReader()
        try:
            stream = await self._open(request)
            try:
                async for chunk in stream:
                    for part in reader.read(chunk):
                        yield part
            finally:
                await stream.close()
        except openai.APIError as error:
            raise _provider_error(error, started=reader.started) from error
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError, KeyError) as error:
            raise _failure("the model's service sent something that is no chat completion", reader.started) from error
        for call in reader.tool_calls():
            yield call
        if reader.finish_reason is None:
            raise _failure("the model's service ended the stream without finishing the answer", reader.started, True)
        yield Finish(reader.finish_reason, reader.usage)

    async def close(self) -> None:
        await self._client.close()

    async def _open(self, request: Request) -> AsyncStream[object]:
        options = dict(request.options)
        if "max_tokens" in options:
            options[self._limit_name] = options.pop("max_tokens")
        body = {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **options,
        }
        return await self._client.post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
        )


class _ChunkReader:
    """Turns chat completion chunks into parts, and remembers what comes in pieces."""

    def __init__(self) -> None:
        self.started = False
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self._calls: dict[int, dict[str, str]] = {}

    def read(self, chunk: Any) -> list[Part]:
        parts: list[Part] = []
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                parts.append(Reasoning(_clean(thought)))
            if text := delta.get("content"):
                parts.append(Text(_clean(text)))
            for call in delta.get("tool_calls") or ():
                self._gather(call)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if usage := chunk.get("usage"):
            self.usage = Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        self.started = self.started or bool(parts)
        return parts

    def tool_calls(self) -> list[Part]:
        return [ToolCall(c["id"], c["name"], c["arguments"]) for _, c in sorted(self._calls.items())]

    def _gather(self, call: dict[str, Any]) -> None:
        known = self._calls.setdefault(call.get("index", 0), {"id": "", "name": "", "arguments": ""})
        function = call.get("function") or {}
        known["id"] = call.get("id") or known["id"]
        known["name"] = function.get("name") or known["name"]
        known["arguments"] += _clean(function.get("arguments") or "")


def _clean(text: str) -> str:
    """JSON can carry half a surrogate pair, which no UTF-8 can; such a half becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _provider_error(error: openai.APIError, *, started: bool) -> ProviderError:
    match error:  # a refused connection comes as a timeout to connect, too
        case openai.APITimeoutError() if not isinstance(error.__cause__, httpx2.ConnectTimeout):
            return _failure("the model's service did not answer in time", started, True)
        case openai.APIConnectionError():
            return _failure("the model's service cannot be reached or broke off; see OPENAI_BASE_URL", started, True)
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
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
