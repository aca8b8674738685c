"""The Anthropic provider: the messages API."""

import re
from typing import Any, Self

import msgspec

from core.extras import require_extra
from core.providers.anthropic.events import EventReader
from core.providers.anthropic.request import body_of
from core.providers.base import Access, Request
from core.providers.http.answer import Choose
from core.providers.http.body import splitter_of
from core.providers.http.client import HttpClient, http_client
from core.providers.http.dialect import Dialect
from core.providers.http.failures import Refused, Service, SettingNames
from core.providers.http.provider import NO_KEY, Endpoint, HttpProvider
from core.settings import Settings

NAMES = SettingNames(key="ANTHROPIC_API_KEY", address="ANTHROPIC_BASE_URL")
DEFAULT_MODEL = "claude-haiku-5-5"
DEFAULT_MAX_TOKENS = 16_000
"""The service wants a limit; who gives none wants the whole answer."""
_GREATEST = re.compile(rb"max_tokens: \d+ > (\d+)")
"""As the service refuses a limit that is too great for the model."""


class AnthropicDialect(Dialect, frozen=True):
    max_tokens: int = DEFAULT_MAX_TOKENS
    """For a request that names none: no more than the model can write."""

    def after(self, refused: Refused, request: Request) -> Self | None:
        greatest = _GREATEST.search(refused.body)
        if greatest is not None and "max_tokens" not in request.options:
            return msgspec.structs.replace(self, max_tokens=int(greatest[1]))
        return super().after(refused, request)


class AnthropicProvider(HttpProvider[AnthropicDialect]):
    def __init__(self, api_key: str | None, base_url: str | None, http: HttpClient) -> None:
        super().__init__(
            "anthropic",
            Service(NAMES, (api_key,) if api_key else ()),
            http,
            AnthropicDialect(),
            has_key=api_key is not None,
        )
        self._api_key = api_key or NO_KEY
        self._base_url = base_url

    @classmethod
    def access(cls, settings: Settings) -> Access | None:
        key = settings.anthropic_api_key
        return Access(key.get_secret_value(), settings.anthropic_base_url) if key and key.get_secret_value() else None

    @classmethod
    def default_models(cls, _: Settings) -> tuple[str, ...]:
        return (DEFAULT_MODEL,)

    @classmethod
    def create(cls, access: Access, settings: Settings) -> Self:
        require_extra("anthropic", NAMES.key)
        return cls(access.key, access.base_url, http_client(settings))

    def _find_endpoint(self) -> Endpoint:
        from anthropic import Anthropic

        base_url = self._base_url.rstrip("/").removesuffix("/v1") if self._base_url else None
        sdk = Anthropic(api_key=self._api_key, base_url=base_url)
        headers = {**sdk.default_headers, **sdk.auth_headers}
        url = str(sdk.base_url).rstrip("/") + "/v1/messages"
        return Endpoint(url, {name: value for name, value in headers.items() if isinstance(value, str)})

    def _choose_splitter(self) -> Choose:
        return splitter_of

    def _new_reader(self) -> EventReader:
        return EventReader()

    def _body(self, request: Request, dialect: AnthropicDialect) -> dict[str, Any]:
        return body_of(request, dialect.max_tokens, streams=dialect.streams)
