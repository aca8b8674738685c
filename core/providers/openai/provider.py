"""The OpenAI provider: chat completions of any compatible server."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from core.providers.answer import HttpAnswer
from core.providers.base import Request, Stream
from core.providers.body import splitter_of
from core.providers.failures import Refused, Service, SettingNames
from core.providers.http import Body, HttpClient
from core.providers.openai.chunks import ChunkReader
from core.providers.openai.dialect import Dialect, Dialects
from core.providers.openai.request import body_of
from core.settings import Settings

NAMES = SettingNames(key="OPENAI_API_KEY", address="OPENAI_BASE_URL", hint=", which ends in /v1 as a rule")


class OpenAIProvider:
    name = "openai"

    def __init__(self, api_key: str, base_url: str | None, default_model: str, http: HttpClient) -> None:
        self.default_model = default_model
        self._api_key = api_key
        self._base_url = base_url
        self._dialects = Dialects(Dialect("max_tokens" if base_url else "max_completion_tokens"))
        self._service = Service(NAMES, _secrets(api_key, base_url))
        self._http = http

    def prepare(self) -> None:
        self._http.prepare()
        _ = self._endpoint

    def stream(self, request: Request) -> Stream:
        return HttpAnswer(partial(self._ask, request), splitter_of, ChunkReader(), self._service)

    async def close(self) -> None:
        await self._http.close()

    @cached_property
    def _endpoint(self) -> tuple[str, dict[str, str]]:
        return find_endpoint(self._api_key, self._base_url)

    @asynccontextmanager
    async def _ask(self, request: Request) -> AsyncIterator[Body]:
        """Once more where the server does not know an option by the name that it was given."""
        url, headers = self._endpoint
        dialect = self._dialects.of(request.model)
        refused_dialects = set[Dialect]()
        async with AsyncExitStack() as stack:
            while True:
                content = msgspec.json.encode(body_of(request, dialect))
                try:
                    body = await stack.enter_async_context(self._http.post(url, headers, content))
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


def create(settings: Settings) -> OpenAIProvider | None:
    key = settings.openai_api_key
    if key is None or not key.get_secret_value():
        return None
    http = HttpClient(settings.provider_timeout, first_timeout=settings.provider_first_timeout)
    return OpenAIProvider(key.get_secret_value(), settings.openai_base_url, settings.openai_model, http)


def find_endpoint(api_key: str, base_url: str | None) -> tuple[str, dict[str, str]]:
    """URL and headers of chat completions, as the official SDK makes them of the settings and of its own variables,
    such as OPENAI_ORG_ID. User and password in `base_url` go into the header, in the key's place; its query stays one.

    The SDK sends nothing itself: a request by its `post` takes half a millisecond of CPU time more, by its
    `chat.completions.create` one or two.
    """
    import httpx2  # half a second for both, which a process need not wait for at its start
    from openai import AsyncOpenAI

    parts = urlsplit(base_url) if base_url else None
    if parts is not None:
        address = parts.netloc.rpartition("@")[2]
        path = parts.path.rstrip("/").removesuffix("/chat/completions")
        base_url = urlunsplit((parts.scheme, address, path, "", ""))
    sends_nothing = httpx2.AsyncClient(transport=httpx2.AsyncBaseTransport())
    sdk = AsyncOpenAI(api_key=api_key, base_url=base_url, http_client=sends_nothing)
    headers = {**sdk.default_headers, **sdk.auth_headers}
    if parts is not None and parts.username is not None:
        headers["Authorization"] = _basic(unquote(parts.username), unquote(parts.password or ""))
    query = f"?{parts.query}" if parts is not None and parts.query else ""
    url = sdk.base_url.copy_with(raw_path=sdk.base_url.raw_path + f"chat/completions{query}".encode())
    return str(url), {name: value for name, value in headers.items() if isinstance(value, str)}


def _basic(user: str, password: str) -> str:
    """RFC 7617."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _secrets(api_key: str, base_url: str | None) -> tuple[str, ...]:
    password = urlsplit(base_url).password if base_url else None
    return (api_key, *([password, unquote(password)] if password else []))
