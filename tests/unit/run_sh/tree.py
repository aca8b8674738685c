"""run.sh and what is behind it, where tests may call it."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]


class Tree:
    """A copy of the scripts, so that no test sees or touches the repository's own .env, data/ and .venv."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(path), "LANG": "C.UTF-8"}
        shutil.copy(ROOT / "run.sh", path)
        shutil.copytree(ROOT / "deploy/native", path / "deploy/native")

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self._bash(str(self.path / "run.sh"), *arguments, cwd=cwd)

    def call(self, code: str) -> subprocess.CompletedProcess[str]:
        """Bash code that may use every function of run.sh."""
        return self._bash("-c", f"source ./run.sh\nVENV='{sys.prefix}'\n{code}")

    def _bash(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", *arguments],
            cwd=cwd or self.path,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
