"""Which providers there are: one more is one more line of PROVIDERS."""

from pkgutil import resolve_name
from typing import Annotated, Protocol, cast

from pydantic import AfterValidator

from core.providers.base import Access, Provider
from core.providers.http.provider import HttpProvider
from core.settings import Settings

PROVIDERS = {
    "openai": "core.providers.openai.provider:OpenAIProvider",
    "anthropic": "core.providers.anthropic.provider:AnthropicProvider",
    "gemini": "core.providers.gemini.provider:GeminiProvider",
    "ollama": "core.providers.ollama.provider:OllamaProvider",
    "local": "core.providers.local.provider:LocalProvider",
    "demo": "core.providers.demo.provider:DemoProvider",
}
"""Where their classes are. The first whose settings are there is the default."""
RESPONSES = "core.providers.openai_responses.provider:OpenAIResponsesProvider"
"""For models whose `api` is responses."""


class ProviderKind(Protocol):
    """What a provider's class says by itself."""

    def access(self, settings: Settings) -> Access | None:
        """How it is reached by the settings; None where they do not ask for it."""

    def default_models(self, settings: Settings) -> tuple[str, ...]:
        """That are listed where there is no MODELS_FILE; the first one answers where a question names none."""
        ...

    def create(self, access: Access, settings: Settings) -> Provider:
        """Raises SystemExit where a package is missing."""
        ...


def kind_at(path: str) -> ProviderKind:
    return cast(ProviderKind, resolve_name(path))


def asks_service(provider: str) -> bool:
    """Over HTTP, so that it needs a key or an address."""
    return issubclass(resolve_name(PROVIDERS[provider]), HttpProvider)


def _known(name: str) -> str:
    if name not in PROVIDERS:
        raise ValueError(f"there is no provider {name!r}, but {', '.join(PROVIDERS)}")
    return name


ProviderName = Annotated[str, AfterValidator(_known)]
