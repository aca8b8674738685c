"""Which provider the settings mean."""

import pytest

from core.providers.catalogue import create_provider
from core.settings import Settings


@pytest.mark.parametrize(
    ("key", "name", "model"),
    [("", "demo", "demo"), ("  ", "demo", "demo"), ("secret-key", "openai", "gpt-9")],
)
def test_the_first_provider_that_has_what_it_needs_answers(
    monkeypatch: pytest.MonkeyPatch, key: str, name: str, model: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("OPENAI_MODEL", "gpt-9")
    provider = create_provider(Settings(_env_file=None))
    assert (provider.name, provider.default_model) == (name, model)
