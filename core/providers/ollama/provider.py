"""The Ollama provider, by its own chat API."""

from typing import Any, Self

from core.extras import require_extra
from core.providers.base import Access, Request
from core.providers.http.answer import Choose
from core.providers.http.client import HttpClient, http_client
from core.providers.http.dialect import Dialect
from core.providers.http.failures import Service, SettingNames
from core.providers.http.provider import Endpoint, HttpProvider
from core.providers.http.sdk import Notes
from core.providers.ollama.lines import LineReader, choose_splitter
from core.providers.ollama.request import body_of
from core.settings import Settings

NAMES = SettingNames(key="OLLAMA_API_KEY", address="OLLAMA_HOST")
DEFAULT_MODEL = "llama3.2"
LOAD_SECONDS = 330.0
"""In which it says nothing: it gives itself five minutes to load a model, and reads the prompt after that."""


class OllamaProvider(HttpProvider[Dialect]):
    def __init__(self, host: str | None, api_key: str | None, http: HttpClient) -> None:
        """`api_key`: of Ollama's cloud, or of a proxy."""
        super().__init__(
            "ollama", Service(NAMES, (api_key,) if api_key else ()), http, Dialect(), has_key=api_key is not None
        )
        self._host = host
        self._api_key = api_key

    @classmethod
    def access(cls, settings: Settings) -> Access | None:
        key = settings.ollama_api_key
        return Access(key.get_secret_value() if key else None, settings.ollama_host) if settings.ollama_host else None

    @classmethod
    def default_models(cls, _: Settings) -> tuple[str, ...]:
        return (DEFAULT_MODEL,)

    @classmethod
    def create(cls, access: Access, settings: Settings) -> Self:
        require_extra("ollama", NAMES.address)
        return cls(access.base_url, access.key, http_client(settings, least_first_timeout=LOAD_SECONDS))

    def _find_endpoint(self) -> Endpoint:
        """Its SDK understands hosts without a scheme, or without a port."""
        import httpx
        from ollama import Client

        notes = Notes()

        def note(request: httpx.Request) -> httpx.Response:
            notes.add(request.url, request.headers)
            return httpx.Response(200)

        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        sdk = Client(self._host, headers=headers, transport=httpx.MockTransport(note))
        list(sdk.chat(model="m", stream=True))
        return Endpoint(*notes.only)

    def _choose_splitter(self) -> Choose:
        return choose_splitter

    def _new_reader(self) -> LineReader:
        return LineReader()

    def _body(self, request: Request, dialect: Dialect) -> dict[str, Any]:
        return body_of(request, streams=dialect.streams)
