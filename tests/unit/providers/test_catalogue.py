"""Which provider answers, by the settings and the model's name."""

from collections.abc import AsyncGenerator

import pytest

from core.providers import extras
from core.providers.base import Finish, GeneratedStream, Item, Message, Request, Stream
from core.providers.catalogue import ProviderRouter, create_provider
from core.settings import Settings


@pytest.mark.parametrize(
    ("variables", "name", "model"),
    [
        ({}, "demo", "demo"),
        ({"OPENAI_API_KEY": "  "}, "demo", "demo"),
        ({"OPENAI_API_KEY": "secret-key"}, "openai", "gpt-9"),
        ({"ANTHROPIC_API_KEY": "secret-key"}, "anthropic", "claude-haiku-5-5"),
        ({"GEMINI_API_KEY": "secret-key"}, "gemini", "gemini-flash-latest"),
        ({"OLLAMA_HOST": "localhost"}, "ollama", "llama3.2"),
        ({"OLLAMA_HOST": "localhost", "GEMINI_API_KEY": "secret-key"}, "gemini", "gemini-flash-latest"),
        ({"ANTHROPIC_API_KEY": "secret-key", "OPENAI_API_KEY": "secret-key"}, "openai", "gpt-9"),
    ],
)
def test_the_first_provider_that_has_what_it_needs_answers(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str, model: str
) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "gpt-9")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    provider = create_provider(Settings(_env_file=None))
    assert (provider.name, provider.default_model) == (name, model)


@pytest.mark.parametrize(
    ("extra", "variable"),
    [("anthropic", "ANTHROPIC_API_KEY"), ("gemini", "GEMINI_API_KEY"), ("ollama", "OLLAMA_HOST")],
)
def test_a_package_that_is_missing_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, extra: str, variable: str
) -> None:
    monkeypatch.setitem(extras.EXTRAS, extra, "no.such_package")
    monkeypatch.setenv(variable, "something")
    with pytest.raises(SystemExit, match=f"{variable}: .*pip install -r requirements-{extra}.txt"):
        create_provider(Settings(_env_file=None))


class Named:
    """Notes what it is asked for."""

    default_model = "usual"

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []

    def stream(self, request: Request) -> Stream:
        self.asked.append(request.model)

        async def nothing() -> AsyncGenerator[Item]:
            yield Finish("stop")

        return GeneratedStream(nothing())

    def prepare(self) -> None: ...

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("model", "knows_prefixes", "asked"),
    [
        ("gpt-9", True, ("openai", "gpt-9")),
        ("openai/gpt-9", True, ("openai", "gpt-9")),
        ("anthropic/claude-x", True, ("anthropic", "claude-x")),
        ("anthropic/a/b", True, ("anthropic", "a/b")),
        ("anthropic/", True, ("openai", "anthropic/")),
        ("anthropic", True, ("openai", "anthropic")),
        ("gemini/g", True, ("openai", "gemini/g")),
        ("meta-llama/llama", True, ("openai", "meta-llama/llama")),
        ("anthropic/claude-x", False, ("openai", "anthropic/claude-x")),
    ],
)
def test_a_prefix_chooses_among_those_that_are_set_up(model: str, knows_prefixes: bool, asked: tuple[str, str]) -> None:
    providers = [Named("openai"), Named("anthropic")]
    ProviderRouter([*providers], knows_prefixes=knows_prefixes).stream(Request(model, [Message("user", "hi")]))
    assert [(provider.name, *provider.asked) for provider in providers if provider.asked] == [asked]


@pytest.mark.parametrize(
    ("base_url", "chooses"), [("", True), ("https://api.openai.com/v1", True), ("http://localhost:1/v1", False)]
)
def test_prefixes_are_names_where_openai_s_place_is_taken_by_another(
    monkeypatch: pytest.MonkeyPatch, base_url: str, chooses: bool
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-key")
    monkeypatch.setenv("OPENAI_BASE_URL", base_url)
    router = create_provider(Settings(_env_file=None))
    assert isinstance(router, ProviderRouter)
    assert bool(router._by_prefix) is chooses
