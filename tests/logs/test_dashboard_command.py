"""`./run.sh dashboard` and `./run.sh stop`, in a checkout of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.processes import free_port
from tests.logs.viewing import Gateway
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer
from tests.stack import ROOT

pytestmark = pytest.mark.anyio


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With the environment that the tests run in."""
    folder = tmp_path / "checkout"
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if not name.startswith(("tests/", "clients/")) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    _put_venv(folder)
    return folder


def _put_venv(folder: Path) -> None:
    """What `./run.sh setup` leaves, with the Python that the tests run in."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(f'#!/bin/bash\nexec {sys.executable} "$@"\n')
    (programs / "uvicorn").write_text(f'#!/bin/bash\nexec {sys.executable} -m uvicorn "$@"\n')
    (programs / "pip").write_text(f"#!{programs}/python\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    base, logs = ((folder / name).read_text() for name in ("requirements.txt", "requirements-logs.txt"))
    (folder / ".venv" / "installed-requirements.txt").write_text(base)
    (folder / ".venv" / "installed-requirements-logs.txt").write_text(base + logs)


class Command:
    def __init__(self, checkout: Path, redis: RedisServer) -> None:
        self.port = free_port()
        self._checkout = checkout
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(checkout),
            "MODE": "native",
            "REDIS_URL": redis.url,
            "LLM_STREAMER_PORT": str(self.port),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["./run.sh", *words],
            cwd=self._checkout,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_SECONDS,
            check=False,
        )


@pytest.fixture
def command(checkout: Path, redis: RedisServer) -> Iterator[Command]:
    command = Command(checkout, redis)
    yield command
    command.run("stop")


async def test_it_starts_all_that_the_page_needs(command: Command, checkout: Path, redis: RedisServer) -> None:
    started = command.run("dashboard")
    assert started.returncode == 0, started.stdout + started.stderr
    assert f"The dashboard is running: http://localhost:{command.port}/" in started.stdout
    gateway = Gateway.__new__(Gateway)  # one that we have not started
    gateway.url = f"http://127.0.0.1:{command.port}"
    async with gateway.viewer() as viewer:
        redis.publish("logs", "Test message")
        await viewer.until_message("Test message")
        (checkout / "data" / "logs" / "api.log").write_text("[error] something is wrong\n")  # is collected
        told = await viewer.until_message("[error] something is wrong")
        assert (told.data["service"], told.data["level"]) == ("api", "error")
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        assert "Hopstream" in (await client.get(f"{gateway.url}/")).text
    again = command.run("dashboard")
    assert (again.returncode, "starting" in again.stdout) == (0, False)
    stopped = command.run("stop")
    assert "dashboard" in stopped.stdout
    assert "collector" in stopped.stdout


def test_a_redis_that_is_not_there_is_named(command: Command, redis: RedisServer) -> None:
    redis.kill()
    failed = command.run("dashboard")
    assert failed.returncode == 1
    assert f"REDIS_URL is redis://127.0.0.1:{redis.port}/0, but there Redis cannot be reached" in failed.stderr
