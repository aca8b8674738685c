"""A tiny model on disk, and what runs it. Without PyTorch there is nothing to be tested, but where CI=true."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Threads that wait for one another take a hundred times as long where other tests run beside them."""
has_torch = find_spec("torch") is not None or os.environ.get("CI") == "true"
collect_ignore_glob = [] if has_torch else ["test_*.py"]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.local.folders import make_model

    return make_model(tmp_path_factory.mktemp("model") / "tiny")
