"""Which models there are, and who answers for a name."""

from pathlib import Path

import pytest

from core import extras
from core.model.errors import UnknownModel
from core.model.events import Usage
from core.providers.base import Access
from core.providers.catalogue.catalogue import Catalogue
from core.providers.catalogue.models import Model, Prices, access_of, read_models
from core.settings import Settings

KEYS = {"OPENAI_API_KEY": "secret-key", "ANTHROPIC_API_KEY": "secret-key"}
EXAMPLE = Path(__file__).parents[3] / "models.example.toml"


def catalogue_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Catalogue:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    return Catalogue(Settings(_env_file=None))


@pytest.mark.parametrize(
    ("variables", "provider", "model"),
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
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], provider: str, model: str
) -> None:
    catalogue = catalogue_with(monkeypatch, OPENAI_MODEL="gpt-9", **variables)
    default = catalogue.route(catalogue.default_model)
    assert (default.model.name, default.model.provider, default.provider.name) == (model, provider, provider)


@pytest.mark.parametrize(
    ("extra", "variable"),
    [("anthropic", "ANTHROPIC_API_KEY"), ("gemini", "GEMINI_API_KEY"), ("ollama", "OLLAMA_HOST")],
)
def test_a_package_that_is_missing_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, extra: str, variable: str
) -> None:
    monkeypatch.setitem(extras.EXTRAS, extra, "no.such_package")
    with pytest.raises(SystemExit, match=f"{variable}: .*pip install -r requirements-{extra}.txt"):
        catalogue_with(monkeypatch, **{variable: "something"})


@pytest.mark.parametrize(
    ("name", "base_url", "provider", "service_model"),
    [
        ("gpt-9", "", "openai", "gpt-9"),
        ("openai/gpt-9", "", "openai", "gpt-9"),
        ("anthropic/claude-x", "", "anthropic", "claude-x"),
        ("anthropic/claude-x", "https://api.openai.com/v1", "anthropic", "claude-x"),
        ("anthropic/a/b", "", "anthropic", "a/b"),
        ("anthropic/", "", "openai", "anthropic/"),
        ("anthropic", "", "openai", "anthropic"),
        ("gemini/g", "", "openai", "gemini/g"),
        ("meta-llama/llama", "", "openai", "meta-llama/llama"),
        ("anthropic/claude-x", "http://localhost:1/v1", "openai", "anthropic/claude-x"),
    ],
)
def test_a_prefix_chooses_among_those_that_are_set_up(
    monkeypatch: pytest.MonkeyPatch, name: str, base_url: str, provider: str, service_model: str
) -> None:
    model = catalogue_with(monkeypatch, OPENAI_BASE_URL=base_url, **KEYS).find(name)
    assert (model.name, model.provider, model.service_model) == (name, provider, service_model)


def test_keys_alone_make_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    models = catalogue_with(monkeypatch, OPENAI_MODEL="gpt-9", **KEYS).models
    assert [(model.name, model.provider) for model in models] == [
        ("gpt-9", "openai"),
        ("anthropic/claude-haiku-5-5", "anthropic"),
    ]
    catalogue = catalogue_with(monkeypatch)
    assert all(catalogue.find(model.name) == model for model in catalogue.models)


FILE = """
[[model]]
name = "anthropic/claude-x"
provider = "openai"
model = "looked-up-whole"
fallbacks = ["other"]

[[model]]
name = "other"
provider = "demo"
"""


def test_a_file_s_names_are_looked_up_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(FILE)
    catalogue = catalogue_with(monkeypatch, MODELS_FILE=str(tmp_path / "models.toml"), **KEYS)
    assert catalogue.default_model == "anthropic/claude-x"
    assert catalogue.find("anthropic/claude-x").service_model == "looked-up-whole"
    assert catalogue.find("anthropic/claude-y").provider == "anthropic"
    chain = catalogue.chain("anthropic/claude-x")
    assert [(route.model.name, route.provider.name) for route in chain] == [
        ("anthropic/claude-x", "openai"),
        ("other", "demo"),
    ]
    assert catalogue.chain("anthropic/claude-x")[0].circuit is chain[0].circuit


def test_with_a_file_and_no_keys_other_names_are_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text('[[model]]\nname = "only"\nprovider = "demo"\n')
    catalogue = catalogue_with(monkeypatch, MODELS_FILE=str(tmp_path / "models.toml"))
    with pytest.raises(UnknownModel, match="GET /models"):
        catalogue.chain("gpt-9")


def test_the_example_shows_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_API_KEY", "secret-key")
    usual = Access("secret-key")
    models = read_models(EXAMPLE, {"openai": usual, "anthropic": usual})
    assert {field for model in models for field in model.model_fields_set} == set(Model.model_fields)
    assert models[0].cost(Usage(1_000_000, 1_000_000, cached_tokens=400_000)) == pytest.approx(0.09 + 0.03 + 0.60)
    assert models[1].cost(Usage(1, 1)) is None


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[[model]\n", ["(at line 1, column "]),
        ("", ["model: Field required"]),
        ("[[models]]\n", ["model: Field required", "models: Extra inputs are not permitted"]),
        (
            '[[model]]\nname = "a"\nprovider = "no"\n\n[[model]]\nname = "b"\ncontext = "long"\nprovider = "demo"\n',
            [
                "line 3: provider: there is no provider 'no', but openai",
                "line 7: context: Input should be a valid integer",
            ],
        ),
        (
            '[[model]]\nname = "a"\nprovider = "demo"\nfallbacks = ["a", "c"]\n\n[[model]]\nname="a"\nprovider="demo"',
            [
                "line 4: fallbacks: a model is no fallback of its own",
                "line 4: fallbacks: there is no model 'c' in this file",
                "line 7: name: 'a' is there already",
            ],
        ),
        (
            '[[model]]\nname = "a"\nprovider = "gemini"\n[model.prices]\ninput = -1\noutput = 1\n',
            ["line 4: prices.input: Input should be greater"],
        ),
        ('[[model]]\nname = "a"\nprovider = "gemini"\n', ["line 3: provider: gemini is not set up"]),
        (
            '[[model]]\nname = "a"\nprovider = "openai"\nkey = "NO_SUCH_KEY"\nprovider_options = ["messages", "x"]\n',
            ["line 4: key: the variable NO_SUCH_KEY is not set", "line 5: provider_options: 'messages' is"],
        ),
        ('[[model]]\nname = "a"\nprovider = "openai"\nbase_url = "http://[x"\n', ["line 4: base_url: Invalid IPv6"]),
        ('[[model]]\nname = "a"\nprovider = "openai"\nbase_url = "http://a:b"\n', ["line 4: base_url: Port could"]),
        ('[[model]]\nname = "a"\nprovider = "demo"\nkey = "sk-secret"\n', ["line 4: key: String should match"]),
    ],
)
def test_a_bad_file_is_refused_line_by_line(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(SystemExit) as raised:
        read_models(path, {})
    first, *told = str(raised.value).splitlines()
    assert first == f"MODELS_FILE {path} cannot be used:"
    assert len(told) == len(faults)
    assert all(fault in line for fault, line in zip(faults, told, strict=True))
    assert "sk-secret" not in str(raised.value)


def test_a_key_goes_to_the_address_that_it_was_given_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine")
    usual = Access("usual", "https://usual.example/v1")
    model = Model(name="m", provider="openai")
    assert access_of(model, usual, None) == usual
    elsewhere = model.model_copy(update={"base_url": "https://elsewhere.example/v1"})
    assert access_of(elsewhere, usual, None) == Access(None, "https://elsewhere.example/v1")
    named = elsewhere.model_copy(update={"key": "MY_KEY"})
    assert access_of(named, usual, None) == Access("mine", "https://elsewhere.example/v1")
    keyed = model.model_copy(update={"key": "MY_KEY"})
    assert access_of(keyed, usual, None) == Access("mine", "https://usual.example/v1")
    assert access_of(keyed, None, "https://usual.example/v1") == Access("mine", "https://usual.example/v1")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_key_of_the_file_goes_to_the_address_of_the_settings_though_they_have_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, provider: str
) -> None:
    path = tmp_path / "models.toml"
    path.write_text(f'[[model]]\nname = "m"\nprovider = "{provider}"\nkey = "GATEWAY_KEY"\n')
    address = {f"{provider.upper()}_BASE_URL": "https://gateway.example/v1"}
    catalogue = catalogue_with(monkeypatch, MODELS_FILE=str(path), GATEWAY_KEY="theirs", **address)
    (access,) = [access for _, access in catalogue._providers if access.key == "theirs"]
    assert access.base_url == "https://gateway.example/v1"


def test_cached_input_costs_what_the_file_says() -> None:
    model = Model(name="m", provider="openai", prices=Prices(input=2, output=10))
    assert model.cost(Usage(1_000_000, 0, cached_tokens=500_000)) == 2
    assert model.cost(None) is None
