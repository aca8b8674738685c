"""The Ollama provider, by its own chat API."""

from typing import Any

from core.providers.answer import Choose
from core.providers.base import Request
from core.providers.extras import require_extra
from core.providers.failures import Service, SettingNames
from core.providers.http import HttpClient
from core.providers.http_provider import Endpoint, HttpProvider
from core.providers.ollama.lines import LineReader, choose_splitter
from core.providers.ollama.request import body_of
from core.providers.sdk import Notes
from core.settings import Settings

NAMES = SettingNames(key="OLLAMA_API_KEY", address="OLLAMA_HOST")
DEFAULT_MODEL = "llama3.2"
LOAD_SECONDS = 330.0
"""In which it says nothing: it gives itself five minutes to load a model, and reads the prompt after that."""


class OllamaProvider(HttpProvider):
    def __init__(self, host: str, api_key: str | None, http: HttpClient) -> None:
        """`api_key`: of Ollama's cloud, or of a proxy."""
        super().__init__("ollama", DEFAULT_MODEL, Service(NAMES, (api_key,) if api_key else ()), http)
        self._host = host
        self._api_key = api_key

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

    def _body(self, request: Request) -> dict[str, Any]:
        return body_of(request)


def create(settings: Settings) -> OllamaProvider | None:
    if not settings.ollama_host:
        return None
    require_extra("ollama", NAMES.address)
    first_timeout = max(settings.provider_first_timeout, LOAD_SECONDS)
    key = settings.ollama_api_key.get_secret_value() if settings.ollama_api_key else None
    http = HttpClient(settings.provider_timeout, first_timeout=first_timeout)
    return OllamaProvider(settings.ollama_host, key, http)
