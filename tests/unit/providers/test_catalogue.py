"""Which provider the settings mean."""

import pytest

from core.providers.catalogue import create_provider
from core.settings import Settings


@pytest.mark.parametrize(("key", "name"), [(None, "demo"), ("", "demo"), ("secret-key", "openai")])
def test_the_first_provider_that_has_what_it_needs_answers(key: str | None, name: str) -> None:
    settings = Settings(openai_api_key=key)
    assert create_provider(settings).name == name == settings.provider
