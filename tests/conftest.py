"""What every test rests on: none of the caller's settings, no way to a real model, nothing that others left open."""

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from core.settings import Settings, get_settings
from tests import leaks
from tests.parts import require
from tests.postgres import Postgres, find_binaries

# The same examples every time, and no deadline: a slow machine is no bug.
hypothesis.settings.register_profile("hopstream", derandomize=True, deadline=None)
hypothesis.settings.load_profile("hopstream")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(name: str, obj: object) -> None:
    """Coroutines are looked after in their event loop, too: first among a test's fixtures, so that it ends last."""
    if name.startswith("test") and inspect.iscoroutinefunction(obj):
        pytest.mark.usefixtures("_loop_is_left_clean")(obj)


def pytest_collection_finish() -> None:
    """What was imported stays, so the garbage collector need not look at it after each test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _what_stays_is_open() -> None:
    leaks.open_what_stays()


@pytest.fixture(autouse=True)
def _all_is_closed(request: pytest.FixtureRequest) -> Iterator[None]:
    before = leaks.look()
    yield
    leaks.check(before, thoroughly="anyio_backend" in request.fixturenames)


@pytest.fixture
async def _loop_is_left_clean() -> AsyncIterator[None]:
    tasks, opened = asyncio.all_tasks(), leaks.look()
    yield
    await leaks.check_loop(tasks, opened)


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
