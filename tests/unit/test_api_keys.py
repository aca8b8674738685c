"""API_KEYS and the other settings of access: clear words for what is wrong, and never a key in them."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.access.access import Access
from core.settings import Settings, get_settings

KEY = "0123456789abcdef"
SECRET = "a-secret-nobody-may-read"


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def test_pairs_are_read_with_blanks_and_a_last_comma() -> None:
    read = settings(api_keys=f" web:{KEY} , script_2: {KEY}:more ,").api_keys
    assert {name: key.get_secret_value() for name, key in read.items()} == {"web": KEY, "script_2": f"{KEY}:more"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (SECRET, "pair 1 is not of the form name:key"),
        (f"web:{KEY},{SECRET}", "pair 2 is not of the form name:key"),
        (f"we b:{SECRET}", "the name of pair 1"),
        (f":{SECRET}", "the name of pair 1"),
        (f"{'n' * 33}:{SECRET}", "the name of pair 1"),
        (f"web:{SECRET},web:{KEY}", "two keys with the name web"),
        (f"web:{SECRET},script:{SECRET}", "the key of script is the key of another name"),
        (f"web:{SECRET[:15]}", "the key of web is shorter than 16"),
        (f"web:{SECRET} {SECRET}", "the key of web must be visible ASCII"),
        (f"web:{SECRET}é", "the key of web must be visible ASCII"),
    ],
)
def test_a_wrong_pair_is_named_without_its_key(value: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        settings(api_keys=value)
    assert SECRET[:15] not in str(caught.value)


def test_what_a_process_prints_is_one_line_for_each_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", SECRET)
    monkeypatch.setenv("RATE_LIMIT", "often")
    monkeypatch.setenv("RABBIT_MQ", f"http://user:{SECRET}@host/")
    with pytest.raises(SystemExit) as caught:
        get_settings.__wrapped__()
    lines = str(caught.value).splitlines()
    assert {line.partition(":")[0] for line in lines} == {"API_KEYS", "RATE_LIMIT", "RABBIT_MQ"}
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("limit", ["", "0/minute", "5/minute;1/second", "120", "fast", "-1/minute"])
def test_a_wrong_rate_limit_is_refused(limit: str) -> None:
    with pytest.raises(ValidationError, match="rate_limit"):
        settings(rate_limit=limit)


def test_no_keys_will_not_do_in_production() -> None:
    assert Access(settings()).is_open
    with pytest.raises(SystemExit, match="ENV=production"):
        Access(settings(env="production"))
    assert not Access(settings(env="production", api_keys=f"web:{KEY}")).is_open


def test_cors_is_closed_in_production_unless_it_is_opened() -> None:
    assert settings().allowed_origins == ["*"]
    assert settings(env="production").allowed_origins == []
    assert settings(env="production", cors_origins="https://a.example, https://b.example").allowed_origins == [
        "https://a.example",
        "https://b.example",
    ]


def test_a_missing_ca_file_is_named() -> None:
    with pytest.raises(ValidationError, match="rabbit_mq_ca"):
        settings(rabbit_mq_ca="/nowhere/ca.pem")
