"""Which provider answers."""

from core.providers.base import Provider
from core.providers.demo import DemoProvider
from core.providers.openai.provider import OpenAIProvider
from core.settings import Settings


def create_provider(settings: Settings) -> Provider:
    if settings.provider == "demo" or settings.openai_api_key is None:
        return DemoProvider()
    return OpenAIProvider(
        settings.openai_api_key.get_secret_value(), settings.openai_base_url, settings.provider_timeout
    )
