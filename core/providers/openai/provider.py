"""The OpenAI provider: chat completions of any compatible server."""

from contextlib import AbstractAsyncContextManager
from functools import cached_property, partial

import msgspec

from core.providers.answer import HttpAnswer, SseSplitter
from core.providers.base import Request, Stream
from core.providers.failures import SettingNames
from core.providers.http import Body, HttpClient
from core.providers.openai.chunks import ChunkReader
from core.providers.openai.request import body_of
from core.settings import Settings

NAMES = SettingNames(key="OPENAI_API_KEY", address="OPENAI_BASE_URL")


class OpenAIProvider:
    name = "openai"

    def __init__(self, api_key: str, base_url: str | None, default_model: str, http: HttpClient) -> None:
        self.default_model = default_model
        self._api_key = api_key
        self._base_url = base_url
        self._limit_name = "max_tokens" if base_url else "max_completion_tokens"
        self._http = http

    def prepare(self) -> None:
        self._http.prepare()
        _ = self._endpoint

    def stream(self, request: Request) -> Stream:
        return HttpAnswer(partial(self._ask, request), SseSplitter(), ChunkReader(), NAMES)

    async def close(self) -> None:
        await self._http.close()

    @cached_property
    def _endpoint(self) -> tuple[str, dict[str, str]]:
        return find_endpoint(self._api_key, self._base_url)

    def _ask(self, request: Request) -> AbstractAsyncContextManager[Body]:
        url, headers = self._endpoint
        return self._http.post(url, headers, msgspec.json.encode(body_of(request, self._limit_name)))


def create(settings: Settings) -> OpenAIProvider | None:
    key = settings.openai_api_key
    if key is None or not key.get_secret_value():
        return None
    http = HttpClient(settings.provider_timeout)
    return OpenAIProvider(key.get_secret_value(), settings.openai_base_url, settings.openai_model, http)


def find_endpoint(api_key: str, base_url: str | None) -> tuple[str, dict[str, str]]:
    """URL and headers of chat completions, as the official SDK makes them of the settings and of its own variables,
    such as OPENAI_ORG_ID.

    It sends nothing itself: a request by its `post` takes half a millisecond of CPU time more, by its
    `chat.completions.create` one or two.
    """
    import httpx2  # half a second for both, which a process need not wait for at its start
    from openai import AsyncOpenAI

    sends_nothing = httpx2.AsyncClient(transport=httpx2.AsyncBaseTransport())
    sdk = AsyncOpenAI(api_key=api_key, base_url=base_url, http_client=sends_nothing)
    headers = {**sdk.default_headers, **sdk.auth_headers}
    url = sdk.base_url.copy_with(path=f"{sdk.base_url.path}chat/completions")
    return str(url), {name: value for name, value in headers.items() if isinstance(value, str)}
