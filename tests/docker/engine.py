"""A Docker engine, by its command line as people use it."""

import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

STACK_SECONDS = 280
"""Building an image downloads all that it needs."""


def docker(*arguments: str | Path) -> str:
    """What it printed. Raises AssertionError with what it complained of."""
    return run("docker", *arguments)


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STACK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def why_no_engine() -> str:
    """Empty where one answers that can build and compose."""
    if not shutil.which("docker"):
        return "docker is not installed"
    for command in (("info",), ("compose", "version"), ("buildx", "version")):
        if subprocess.run(["docker", *command], capture_output=True, check=False).returncode != 0:
            return f"`docker {' '.join(command)}` fails"
    return ""


def state(container: str) -> dict[str, object]:
    ((found),) = json.loads(docker("inspect", "--format", "[{{json .State}}]", container))
    return dict(found)


def logs(container: str) -> str:
    """What it has written, to either stream."""
    done = subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return done.stdout.decode()


def unique(name: str) -> str:
    return f"hopstream-test-{name}-{secrets.token_hex(4)}"
