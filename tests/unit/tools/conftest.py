"""What the tests of MCP servers rest on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.tools.mcp import server as mcp


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, below which servers have their folders. They have time: some seconds are little for a
    start on a busy machine."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(mcp, "SPEC_SECONDS", mcp.OPEN_SECONDS)
        yield home
