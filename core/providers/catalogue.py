"""Which provider answers."""

from pkgutil import resolve_name
from urllib.parse import urlsplit

import msgspec
import structlog

from core.providers.base import Provider, Request, Stream
from core.providers.demo import DemoProvider
from core.settings import Settings

log = structlog.get_logger()

PROVIDERS = [
    "core.providers.openai.provider:create",
    "core.providers.anthropic.provider:create",
    "core.providers.gemini.provider:create",
    "core.providers.ollama.provider:create",
]
"""Each makes its provider of the settings, or returns None where these do not ask for it. The first one that is made
answers where a model's name does not choose another."""


def create_provider(settings: Settings) -> Provider:
    made = [provider for name in PROVIDERS if (provider := resolve_name(name)(settings)) is not None]
    address = urlsplit(settings.openai_base_url or "").hostname
    has_own_address = settings.openai_api_key is not None and address not in (None, "api.openai.com")
    if has_own_address and len(made) > 1:
        names = ", ".join(provider.name for provider in made[1:])
        log.warning(
            "cannot be asked: OPENAI_BASE_URL's server has slashes in its own models' names",
            action="provider.unreachable",
            providers=names,
        )
    return ProviderRouter(made or [DemoProvider()], knows_prefixes=not has_own_address)


class ProviderRouter:
    """Several providers as one: `anthropic/claude-haiku-5-5` is a model of the provider `anthropic`."""

    def __init__(self, providers: list[Provider], *, knows_prefixes: bool) -> None:
        """The first one is the default. `knows_prefixes`: not where a slash may be part of its own models' names, as at
        a server that is itself in front of several."""
        self._default = providers[0]
        self._by_prefix = {provider.name: provider for provider in providers} if knows_prefixes else {}
        self._providers = providers
        self.name = self._default.name
        self.default_model = self._default.default_model

    def prepare(self) -> None:
        for provider in self._providers:
            provider.prepare()

    def stream(self, request: Request) -> Stream:
        prefix, slash, model = request.model.partition("/")
        chosen = self._by_prefix.get(prefix)
        if chosen is None or not (slash and model):
            return self._default.stream(request)
        return chosen.stream(msgspec.structs.replace(request, model=model))

    async def close(self) -> None:
        for provider in self._providers:
            await provider.close()
