"""The scripts as files: Bash can parse them, shellcheck accepts them, and people can run them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.parts import require
from tests.unit.run_sh.tree import ROOT

SCRIPTS = [ROOT / "run.sh", ROOT / ".ci/run", *sorted((ROOT / "deploy/native").glob("*.sh"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_bash_can_parse_it(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


def test_shellcheck_has_no_complaint() -> None:
    require(shutil.which("shellcheck"), "shellcheck is not installed")
    command = ["shellcheck", "-x", "run.sh", ".ci/run"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_what_people_run_is_executable() -> None:
    assert all(script.stat().st_mode & 0o111 for script in (ROOT / "run.sh", ROOT / ".ci/run"))
