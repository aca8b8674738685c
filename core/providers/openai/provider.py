"""The OpenAI provider: chat completions of any compatible server."""

from base64 import b64encode
from typing import Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from core.providers.base import Access, Request
from core.providers.http.answer import Choose
from core.providers.http.body import splitter_of
from core.providers.http.client import HttpClient, http_client
from core.providers.http.failures import Service, SettingNames
from core.providers.http.provider import NO_KEY, Endpoint, HttpProvider
from core.providers.openai.chunks import ChunkReader
from core.providers.openai.dialect import OpenAIDialect
from core.providers.openai.request import body_of
from core.settings import Settings

NAMES = SettingNames(key="OPENAI_API_KEY", address="OPENAI_BASE_URL", hint=", which ends in /v1 as a rule")


class OpenAIProvider(HttpProvider[OpenAIDialect]):
    def __init__(self, api_key: str | None, base_url: str | None, http: HttpClient) -> None:
        usual = OpenAIDialect(limit_name="max_tokens" if base_url else "max_completion_tokens")
        super().__init__(
            "openai",
            Service(NAMES, secrets_of(api_key, base_url)),
            http,
            usual,
            has_key=api_key is not None or has_user(base_url),
        )
        self._api_key = api_key or NO_KEY
        self._base_url = base_url

    @classmethod
    def access(cls, settings: Settings) -> Access | None:
        key = settings.openai_api_key
        return Access(key.get_secret_value(), settings.openai_base_url) if key and key.get_secret_value() else None

    @classmethod
    def default_models(cls, settings: Settings) -> tuple[str, ...]:
        return (settings.openai_model,)

    @classmethod
    def create(cls, access: Access, settings: Settings) -> Self:
        return cls(access.key, access.base_url, http_client(settings))

    def _find_endpoint(self) -> Endpoint:
        return Endpoint(*find_endpoint(self._api_key, self._base_url))

    def _choose_splitter(self) -> Choose:
        return splitter_of

    def _new_reader(self) -> ChunkReader:
        return ChunkReader()

    def _body(self, request: Request, dialect: OpenAIDialect) -> dict[str, Any]:
        return body_of(request, dialect)


def find_endpoint(
    api_key: str, base_url: str | None, operation: str = "chat/completions"
) -> tuple[str, dict[str, str]]:
    """URL and headers of `operation`, as the official SDK makes them of the settings and of its own variables,
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
    url = sdk.base_url.copy_with(raw_path=sdk.base_url.raw_path + f"{operation}{query}".encode())
    return str(url), {name: value for name, value in headers.items() if isinstance(value, str)}


def has_user(base_url: str | None) -> bool:
    return base_url is not None and urlsplit(base_url).username is not None


def _basic(user: str, password: str) -> str:
    """RFC 7617."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def secrets_of(api_key: str | None, base_url: str | None) -> tuple[str, ...]:
    password = urlsplit(base_url).password if base_url else None
    return (*([api_key] if api_key else []), *([password, unquote(password)] if password else []))
