"""The Anthropic provider: the messages API."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from core.providers.answer import Choose
from core.providers.anthropic.events import EventReader
from core.providers.anthropic.request import body_of
from core.providers.base import Request
from core.providers.body import splitter_of
from core.providers.extras import require_extra
from core.providers.failures import Refused, Service, SettingNames
from core.providers.http import Body, HttpClient
from core.providers.http_provider import Endpoint, HttpProvider
from core.settings import Settings

NAMES = SettingNames(key="ANTHROPIC_API_KEY", address="ANTHROPIC_BASE_URL")
DEFAULT_MODEL = "claude-haiku-5-5"
_GREATEST = re.compile(rb"max_tokens: \d+ > (\d+)")
"""As the service refuses a limit that is too great for the model."""


class AnthropicProvider(HttpProvider):
    def __init__(self, api_key: str, base_url: str | None, http: HttpClient) -> None:
        super().__init__("anthropic", DEFAULT_MODEL, Service(NAMES, (api_key,)), http)
        self._api_key = api_key
        self._base_url = base_url
        self._limits: dict[str, int] = {}

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

    def _body(self, request: Request) -> dict[str, Any]:
        return body_of(request, self._limits)

    @asynccontextmanager
    async def _ask(self, request: Request) -> AsyncIterator[Body]:
        """Once more where the limit that the request did not name is more than the model can write."""
        async with AsyncExitStack() as stack:
            try:
                body = await stack.enter_async_context(super()._ask(request))
            except Refused as refused:
                greatest = _GREATEST.search(refused.body)
                if greatest is None or "max_tokens" in request.options or request.model in self._limits:
                    raise
                self._limits[request.model] = int(greatest[1])
                body = await stack.enter_async_context(super()._ask(request))
            yield body


def create(settings: Settings) -> AnthropicProvider | None:
    key = settings.anthropic_api_key
    if key is None or not key.get_secret_value():
        return None
    require_extra("anthropic", NAMES.key)
    http = HttpClient(settings.provider_timeout, first_timeout=settings.provider_first_timeout)
    return AnthropicProvider(key.get_secret_value(), settings.anthropic_base_url, http)
