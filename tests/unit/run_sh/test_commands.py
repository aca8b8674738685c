"""The commands, each as far as it goes where nothing runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.run_sh.tree import ROOT, Tree


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_usage_names_every_command(tree: Tree, arguments: list[str]) -> None:
    usage = tree.run(*arguments)
    assert usage.returncode == 0
    for command in ("setup", "start", "stop", "restart", "status", "worker N", "logs", "shell", "smoke", "test"):
        assert f"./run.sh {command}" in usage.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["strat"], "Unknown command 'strat'"),
        (["start", "now"], "'start' takes no arguments"),
        (["worker"], "'worker' takes a number"),
        (["worker", "-1"], "'worker' takes a number"),
        (["worker", "two"], "'worker' takes a number"),
        (["logs", "nginx"], "not of 'nginx'"),
    ],
)
def test_misuse_is_explained_and_exits_2(tree: Tree, arguments: list[str], complaint: str) -> None:
    tree.variables["MODE"] = "native"
    misuse = tree.run(*arguments)
    assert misuse.returncode == 2
    assert complaint in misuse.stderr.splitlines()[0]


def test_an_unknown_mode_is_refused(tree: Tree) -> None:
    tree.variables["MODE"] = "podman"
    assert "MODE is native or docker, not 'podman'" in tree.run("status").stderr


def test_it_works_from_any_directory_and_leaves_nothing_by_looking(tree: Tree) -> None:
    tree.variables["MODE"] = "native"
    status = tree.run("status", cwd=Path("/"))
    assert (status.returncode, status.stderr) == (3, "")
    assert "Hopstream is not running" in status.stdout
    assert not (tree.path / "data").exists()


def test_stop_is_idempotent(tree: Tree) -> None:
    tree.variables["MODE"] = "native"
    stop = tree.run("stop")
    assert (stop.returncode, stop.stdout) == (0, "stopped   nothing was running\n")


def test_smoke_fails_line_by_line_where_nothing_runs(free_port: int) -> None:
    smoke = subprocess.run(
        [sys.executable, ROOT / "deploy/native/smoke.py", "localhost", str(free_port)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = smoke.stdout.splitlines()
    assert smoke.returncode == 1
    assert [line.split()[0] for line in lines] == ["FAILED"] * 5


@pytest.mark.parametrize(
    "failing",
    [
        [],
        ["tests/faults"],
        ["tests/store"],
        ["tests/logs"],
        ["tests/integration/test_access.py"],
        ["tests/integration/test_viewers.py"],
        ["tests/peers"],
        ["tests/unit", "tests/integration/test_access.py"],
    ],
)
def test_the_suite_is_green_where_all_its_parts_are(tree: Tree, failing: list[str]) -> None:
    python = tree.path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        "#!/bin/bash\n"
        'echo "ran $*"\n'
        f'for word in "$@"; do if [[ " {" ".join(failing)} " == *" $word "* ]]; then exit 1; fi; done\n'
    )
    python.chmod(0o755)
    (tree.path / "tests").symlink_to(ROOT / "tests")
    ran = tree.call("VENV=venv; make_data; all_tests")
    assert (ran.returncode != 0) == bool(failing)
    asked = [file for line in ran.stdout.splitlines() if line.startswith("ran ") for file in files_of(line)]
    assert sorted(asked) == sorted((ROOT / "tests").rglob("test_*.py"))


def files_of(command: str) -> set[Path]:
    """The files that pytest would take."""
    words = command.split()
    found: set[Path] = set()
    for path in [ROOT / word for word in words if word.startswith("tests/")]:
        found |= {path} if path.is_file() else set(path.rglob("test_*.py"))
    return found - {ROOT / word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")}
