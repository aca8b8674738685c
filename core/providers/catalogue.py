"""Which provider answers."""

from pkgutil import resolve_name

from core.providers.base import Provider
from core.settings import Settings

PROVIDERS = [
    "core.providers.openai.provider:create",
    "core.providers.demo:create",
]
"""Each makes its provider of the settings, or returns None where these do not ask for it. The first one that is made
answers."""


def create_provider(settings: Settings) -> Provider:
    made = (resolve_name(name)(settings) for name in PROVIDERS)
    provider: Provider = next(filter(None, made))
    return provider
