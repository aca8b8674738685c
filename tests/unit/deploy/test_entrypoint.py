"""The entrypoint of the image becomes what it is told, or runs both and ends both."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.unit.deploy.files import ENTRYPOINT


def programs(folder: Path, *names: str) -> dict[str, str]:
    """An environment in which each named program only prints its process id and how it was called."""
    for name in names:
        program = folder / name
        program.write_text('#!/bin/sh\necho "$$" "${0##*/}" "$@"\n')
        program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["api"], "uvicorn api.app:app --host 0.0.0.0 --port 8007"),
        (["worker", "--concurrency", "50"], "celery -A workers.app worker --concurrency 50"),
        (["celery", "report"], "celery report"),
    ],
)
def test_the_entrypoint_becomes_the_program(tmp_path: Path, words: list[str], command: str) -> None:
    environment = programs(tmp_path, "uvicorn", "celery")
    with subprocess.Popen([ENTRYPOINT, *words], env=environment, stdout=subprocess.PIPE, text=True) as process:
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert printed.startswith(f"{process.pid} {command}")


RUNS_UNTIL_TERM = f"""#!{sys.executable}
import signal, sys
from pathlib import Path
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
print(Path(sys.argv[0]).name, "runs", flush=True)
signal.sigwait({{signal.SIGTERM}})
print(Path(sys.argv[0]).name, "ended", flush=True)
"""
"""Ends in order, and only when it is asked to."""


@pytest.fixture
def both(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The entrypoint with neither word, and what it starts."""
    for name in ("uvicorn", "celery"):
        (tmp_path / name).write_text(RUNS_UNTIL_TERM)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen([ENTRYPOINT], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert {process.stdout.readline().strip() for _ in range(2)} == {"uvicorn runs", "celery runs"}
        yield process
        process.kill()


def test_without_a_word_both_run_and_both_end_in_order(both: subprocess.Popen[str]) -> None:
    both.terminate()
    printed, _ = both.communicate(timeout=PATIENCE_SECONDS)
    assert sorted(printed.split("\n")) == ["", "celery ended", "uvicorn ended"]


def test_whichever_ends_takes_the_other_along(both: subprocess.Popen[str]) -> None:
    children = {Path(process.cmdline()[1]).name: process for process in psutil.Process(both.pid).children()}
    children["celery"].kill()
    printed, _ = both.communicate(timeout=PATIENCE_SECONDS)
    assert (printed, both.returncode) == ("uvicorn ended\n", 128 + signal.SIGKILL)


def test_descriptors_are_as_many_as_the_host_allows(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))

    command = [str(ENTRYPOINT), "bash", "-c", "ulimit -Sn; ulimit -Hn"]
    printed = subprocess.check_output(command, preexec_fn=limited, text=True)
    assert printed == "4096\n4096\n"
