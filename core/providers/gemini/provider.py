"""The Gemini provider: streamGenerateContent of the Gemini API."""

import re
from typing import Any
from urllib.parse import quote

from core.providers.answer import Choose
from core.providers.base import Request
from core.providers.extras import require_extra
from core.providers.failures import Service, SettingNames
from core.providers.gemini.chunks import ChunkReader, choose_splitter
from core.providers.gemini.request import body_of
from core.providers.http import HttpClient
from core.providers.http_provider import Endpoint, HttpProvider
from core.providers.sdk import Notes
from core.settings import Settings

NAMES = SettingNames(key="GEMINI_API_KEY", address="GEMINI_BASE_URL")
DEFAULT_MODEL = "gemini-flash-latest"
_ANY_MODEL = "any-model"
_ADDRESS = re.compile(r"(.*?)(?:/(v\d+\w*))?/?", re.DOTALL)
"""With the API's version or without, where the SDK takes its own."""


class GeminiProvider(HttpProvider):
    def __init__(self, api_key: str, base_url: str | None, http: HttpClient) -> None:
        super().__init__("gemini", DEFAULT_MODEL, Service(NAMES, (api_key,)), http)
        self._api_key = api_key
        self._base_url = base_url

    def _find_endpoint(self) -> Endpoint:
        import httpx2
        from google.genai import Client
        from google.genai.types import HttpOptions

        notes = Notes()

        def note(request: httpx2.Request) -> httpx2.Response:
            notes.add(request.url, request.headers)
            return httpx2.Response(200, content=b"")

        address, version = _ADDRESS.fullmatch(self._base_url or "").groups()  # type: ignore[union-attr]
        client = httpx2.Client(transport=httpx2.MockTransport(note))
        options = HttpOptions(base_url=address or None, api_version=version, httpx_client=client)
        with Client(api_key=self._api_key, vertexai=False, http_options=options) as sdk:
            list(sdk.models.generate_content_stream(model=_ANY_MODEL, contents="hi"))
        return Endpoint(*notes.only)

    def _choose_splitter(self) -> Choose:
        return choose_splitter

    def _new_reader(self) -> ChunkReader:
        return ChunkReader()

    def _body(self, request: Request) -> dict[str, Any]:
        return body_of(request)

    def _url(self, request: Request) -> str:
        model = request.model.removeprefix("models/")
        return self._endpoint.url.replace(_ANY_MODEL, quote(model, safe=""))


def create(settings: Settings) -> GeminiProvider | None:
    key = settings.gemini_api_key
    if key is None or not key.get_secret_value():
        return None
    require_extra("gemini", NAMES.key)
    http = HttpClient(settings.provider_timeout, first_timeout=settings.provider_first_timeout)
    return GeminiProvider(key.get_secret_value(), settings.gemini_base_url, http)
