"""Settings: from the environment, from `.env` whatever its line ends, and all of them in `.env.example`."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.settings import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def _example() -> dict[str, str]:
    """Every `NAME=value` of the example; those without a default stand there as comments."""
    return dict(re.findall(r"^#? ?([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def test_the_example_names_every_setting_in_order() -> None:
    assert list(_example()) == [name.upper() for name in Settings.model_fields]


def test_the_example_changes_nothing(settings: Settings) -> None:
    assert Settings(_env_file=EXAMPLE) == settings


def test_the_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name, value in _example().items():
        if name not in {"MODELS_FILE", "TOOLS_FILE", "LOG_ALERTS"}:  # have to be there
            monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"OPENAI_MODEL = from-file \r\nAPI_PORT=9000\r\n\r\n# comment\r\nUNKNOWN=1\r\nRABBIT_MQ=\r\n")
    monkeypatch.setenv("API_PORT", " 9001\r")
    settings = Settings(_env_file=file)
    assert (settings.openai_model, settings.api_port) == ("from-file", 9001)
    assert settings.rabbit_mq == "amqp://guest:guest@localhost/"


@pytest.mark.parametrize("value", ['"kept"', "'kept'", ' "kept"\r'])
def test_quotes_that_docker_leaves_around_a_value(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OPENAI_MODEL", value)
    monkeypatch.setenv("API_KEYS", '""')
    monkeypatch.setenv("SYSTEM_PROMPT", "'Say \"yes\".'")
    settings = Settings()
    assert (settings.openai_model, settings.api_keys, settings.system_prompt) == ("kept", {}, 'Say "yes".')


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_BASE_URL", "http://user:password@host"),
        ("GEMINI_BASE_URL", "https://host/x?key=y"),
        ("GEMINI_BASE_URL", "host"),
        ("OLLAMA_HOST", "host:99999"),
        ("OLLAMA_HOST", "http://[::1"),
        ("OLLAMA_HOST", ":11434"),
    ],
)
def test_addresses_that_no_provider_can_use(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


AMQP_OPTIONS = [
    "connection_timeout=10",
    "heartbeat=30",
    "channel_max=100",
    "frame_max=4096",
    "auth_mechanism=plain",
    "cacertfile=/x&verify=verify_peer",
    "no_verify_ssl=1",
    "x",
]


@pytest.mark.parametrize(
    "url", ["amqp://h", "amqp://h/", "amqp://h//", "amqps://u:p%2F@h:5671/a%2Fb", "amqp://[::1]/v"]
)
def test_addresses_of_rabbitmq(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("RABBIT_MQ", url)
    assert Settings().rabbit_mq == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RABBIT_MQ", "http://localhost"),
        ("RABBIT_MQ", "localhost"),
        ("RABBIT_MQ", "amqp://"),
        ("RABBIT_MQ", "amqp:///vhost"),
        ("RABBIT_MQ", "amqp://user:pa/ss@host/"),
        ("RABBIT_MQ", "amqp://host:port/"),
        ("RABBIT_MQ", "amqp://host/a/b"),
        *(("RABBIT_MQ", f"amqp://guest:guest@localhost:5672/?{option}") for option in AMQP_OPTIONS),
        ("RABBIT_MQ_PREFIX", "a/b"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("ENV", "staging"),
        ("NARRATOR_RELAY", "All is well."),
        ("NARRATOR_RELAY", "fake: "),
        ("API_PORT", "0"),
        ("API_PORT", "70000"),
        ("WORKER_CONCURRENCY", "0"),
        ("MAX_TURN_SECONDS", "7200"),
        ("PROVIDER_DROP", "ignore"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    settings = Settings()
    assert settings.openai_api_key is not None
    assert "very-secret" not in repr(settings)


@pytest.mark.parametrize("origins", ["null", '["x"]', "https://a.example"])
def test_an_origin_is_a_word_and_no_json(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", origins)
    assert Settings().cors_origins == [origins]


def test_origins_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example, https://b.example,")
    assert Settings().cors_origins == ["https://a.example", "https://b.example"]
