"""Whose jobs a worker takes, and that it says so at once where it cannot."""

from pathlib import Path

import pytest

from core import extras
from core.settings import Settings
from workers.queues import served_queues

MODELS = '[[model]]\nname = "here"\nprovider = "local"\nmodel = "models/tiny"\n'


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    file = tmp_path / "models.toml"
    file.write_text(MODELS)
    return file


def settings_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


@pytest.mark.parametrize(
    ("variables", "queues"),
    [
        ({}, [None]),
        ({"LOCAL_MODEL": "models/tiny"}, [None, "local"]),
        ({"LOCAL_MODEL": "models/tiny", "WORKER_QUEUES": "default"}, [None]),
        ({"LOCAL_MODEL": "models/tiny", "WORKER_QUEUES": "local"}, ["local"]),
        ({"WORKER_QUEUES": "default,local"}, [None, "local"]),
    ],
)
def test_by_the_settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], queues: list[str | None]) -> None:
    monkeypatch.setitem(extras.EXTRAS, "local", "json")
    assert served_queues(settings_of(monkeypatch, **variables)) == queues


def test_by_the_models_of_a_file(monkeypatch: pytest.MonkeyPatch, models_file: Path) -> None:
    monkeypatch.setitem(extras.EXTRAS, "local", "json")
    assert served_queues(settings_of(monkeypatch, MODELS_FILE=str(models_file))) == [None, "local"]


@pytest.mark.parametrize("variables", [{"LOCAL_MODEL": "models/tiny"}, {"WORKER_QUEUES": "local"}])
def test_one_that_has_nothing_to_answer_with_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    monkeypatch.setitem(extras.EXTRAS, "local", "no.such_package")
    with pytest.raises(SystemExit, match=r"WORKER_QUEUES=default.*pip install -r requirements-local\.txt.*CPU build"):
        served_queues(settings_of(monkeypatch, **variables))


def test_one_that_leaves_them_to_others_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRAS, "local", "no.such_package")
    assert served_queues(settings_of(monkeypatch, LOCAL_MODEL="models/tiny", WORKER_QUEUES="default")) == [None]
