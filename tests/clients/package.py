"""The npm package streaming-llm-client, with what it takes to build and to test it."""

import hashlib
import os
import subprocess
from pathlib import Path

from tests.node import node, npm
from tests.parts import require

HOME = Path(__file__).parents[2] / "clients" / "typescript"
LOCK = HOME / "package-lock.json"
STAMP = HOME / "node_modules" / ".installed"
"""Holds the digest of the lock file by which the packages were installed."""
TIMEOUT_SECONDS = 280.0
"""Less than pytest's, so that what was printed is shown."""


def install() -> None:
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == digest:
        return
    done = _run([*npm(), "ci", "--ignore-scripts"])
    require(done.returncode == 0, f"npm could not install the packages of clients/typescript: {done.stdout[-2000:]}")
    STAMP.write_text(digest)


def build() -> None:
    run("tsdown")


def pack(folder: Path) -> Path:
    """What would be published."""
    done = _run([*npm(), "pack", "--pack-destination", str(folder)])
    assert done.returncode == 0, done.stdout
    (tarball,) = folder.glob("*.tgz")
    return tarball


def run(tool: str, *arguments: str, **environment: str) -> None:
    """One of the package's tools. Raises AssertionError with what it printed."""
    done = _run([node(), str(HOME / "node_modules" / ".bin" / tool), *arguments], **environment)
    assert done.returncode == 0, done.stdout


def run_script(script: str) -> None:
    done = _run([node(), str(HOME / script)])
    assert done.returncode == 0, done.stdout


def _run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=HOME,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
