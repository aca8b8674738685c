"""Which provider answers."""

from core.providers import demo
from core.providers.base import Provider
from core.providers.openai import provider as openai
from core.settings import Settings

PROVIDERS = (openai.create, demo.create)
"""Each makes its provider where the settings have what that needs; the first one that does answers."""


def create_provider(settings: Settings) -> Provider:
    return next(provider for create in PROVIDERS if (provider := create(settings)))
