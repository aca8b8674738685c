"""The curl lines on README's first screen do what they say, as they stand there."""

import re
import shutil
import subprocess

from tests.client import new_session
from tests.integration.conftest import Shared
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT


def test_the_curl_lines_stream_an_answer(shared: Shared) -> None:
    require(shutil.which("curl"), "no curl")
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("curl ")]
    ask, stream, direct = (_at(shared.apis[0].url, line) for line in lines)
    assert '"status":"queued"' in _run(ask)
    assert re.search(r'data: \{"type":"done"', _run(stream))
    assert "t000099" in _run(direct)


_SESSION = new_session()


def _at(url: str, line: str) -> str:
    return line.replace("localhost:8007", url).replace("readme", _SESSION)


def _run(line: str) -> str:
    return subprocess.run(line, shell=True, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS).stdout
