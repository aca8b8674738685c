"""The Gemini provider: streamGenerateContent of the Gemini API."""

import re
from typing import Any, Self
from urllib.parse import quote

from core.extras import require_extra
from core.providers.base import Access, Request
from core.providers.gemini.chunks import ChunkReader, choose_splitter
from core.providers.gemini.request import body_of
from core.providers.http.answer import Choose
from core.providers.http.client import HttpClient, http_client
from core.providers.http.dialect import Dialect
from core.providers.http.failures import Service, SettingNames
from core.providers.http.provider import NO_KEY, Endpoint, HttpProvider
from core.providers.http.sdk import Notes
from core.settings import Settings

NAMES = SettingNames(key="GEMINI_API_KEY", address="GEMINI_BASE_URL")
DEFAULT_MODEL = "gemini-flash-latest"
_ANY_MODEL = "any-model"
_ADDRESS = re.compile(r"(.*?)(?:/(v\d+\w*))?/?", re.DOTALL)
"""With the API's version or without, where the SDK takes its own."""


class GeminiProvider(HttpProvider[Dialect]):
    def __init__(self, api_key: str | None, base_url: str | None, http: HttpClient) -> None:
        super().__init__(
            "gemini", Service(NAMES, (api_key,) if api_key else ()), http, Dialect(), has_key=api_key is not None
        )
        self._api_key = api_key or NO_KEY
        self._base_url = base_url

    @classmethod
    def access(cls, settings: Settings) -> Access | None:
        key = settings.gemini_api_key
        return Access(key.get_secret_value(), settings.gemini_base_url) if key and key.get_secret_value() else None

    @classmethod
    def default_models(cls, _: Settings) -> tuple[str, ...]:
        return (DEFAULT_MODEL,)

    @classmethod
    def create(cls, access: Access, settings: Settings) -> Self:
        require_extra("gemini", NAMES.key)
        return cls(access.key, access.base_url, http_client(settings))

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

    def _body(self, request: Request, _: Dialect) -> dict[str, Any]:
        return body_of(request)

    def _url(self, request: Request, dialect: Dialect) -> str:
        model = request.model.removeprefix("models/")
        url = self._endpoint.url.replace(_ANY_MODEL, quote(model, safe=""))
        return url if dialect.streams else url.partition("?")[0].replace("streamGenerateContent", "generateContent")
