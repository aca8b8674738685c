"""The image, built from what is in the working tree."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.engine import docker, unique, why_no_engine
from tests.stack import ROOT


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """On CI, too: an engine is no part of a machine that builds."""
    if reason := why_no_engine():
        pytest.skip(f"no Docker engine that can build and compose: {reason}")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a clone would have it, with what is not committed yet, without anybody's .env."""
    folder = tmp_path_factory.mktemp("docker") / "checkout"
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def image(checkout: Path) -> Iterator[str]:
    """The network is the host's, since an engine need not have one of its own that gets out."""
    tag = unique("image")
    docker("build", "--network=host", "--quiet", "--tag", tag, checkout)
    yield tag
    docker("image", "rm", "--force", tag)
