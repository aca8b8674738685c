"""An engine that the system does not let start: a failure of its model, in words."""

import tempfile
from pathlib import Path

import pytest

from core.providers.local.process import NoEngine, connect
from core.providers.local.settings import EngineSettings

pytestmark = pytest.mark.anyio


async def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    with pytest.raises(NoEngine, match="Not a directory"):
        await connect(EngineSettings(model="m", folder=str(tmp_path), version="1"))
