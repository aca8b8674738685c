"""What every test rests on: none of the caller's settings, and no way to a real model."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from core.settings import Settings, get_settings
from tests.parts import require
from tests.postgres import Postgres, find_binaries

# The same examples every time, and no deadline: a slow machine is no bug.
hypothesis.settings.register_profile("hopstream", derandomize=True, deadline=None)
hypothesis.settings.load_profile("hopstream")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def _no_settings() -> Iterator[None]:
    """The environment's are wiped (tests.stack has read RABBIT_MQ by then), those of `.env` are not read."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        patch.setitem(Settings.model_config, "env_file", None)
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    binaries = find_binaries()
    require(binaries, "PostgreSQL is not installed; its folder can be named by HOPSTREAM_TEST_POSTGRES_BIN")
    assert binaries is not None
    with Postgres(binaries) as server:
        yield server


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path
