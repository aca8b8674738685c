"""Which Python is taken, and the packages that are installed for it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.run_sh.tree import Tree

PYTHONS = ("python", "python3", *(f"python3.{minor}" for minor in range(11, 15)))


@pytest.fixture
def pythons(tree: Tree) -> Callable[[str, str], Path]:
    """Puts a folder on the PATH, with a Python under all its names: a shell script of this text."""

    def put(name: str, script: str) -> Path:
        folder = tree.path / name
        folder.mkdir()
        for each in PYTHONS:
            (folder / each).write_text(f"#!/bin/sh\n{script}\n")
            (folder / each).chmod(0o755)
        tree.variables["PATH"] = f"{folder}:{tree.variables['PATH']}"
        return folder

    return put


def test_too_old_a_python_is_not_taken(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    pythons("old", "exit 1")
    setup = tree.call("VENV=.venv; SYSTEM_PYTHON=/nowhere/python3; setup")
    assert setup.returncode == 1
    assert "needs Python 3.11 or newer" in setup.stderr
    assert not (tree.path / ".venv").exists()


def _python(folder: str, config: str) -> str:
    """One that says so of itself, and is else the real one."""
    base = f'case "$*" in *_base_executable*) echo {folder}/python3; exit;; esac'
    return f'{base}\ncase "$*" in *CONFIG_ARGS*) exec {sys.executable} -c "{config}";; esac\nexec {sys.executable} "$@"'


OPTIMIZED, UNOPTIMIZED = "exit(0)", "exit(1)"


def test_an_optimized_python_goes_before_one_that_is_not(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    system = pythons("system", _python(f"{tree.path}/system", UNOPTIMIZED))
    first = pythons("first", _python(f"{tree.path}/first", UNOPTIMIZED))
    choose = f"SYSTEM_PYTHON={system}/python3; choose_python; echo $python"
    assert tree.call(choose).stdout == f"{system}/python3\n"
    tree.variables["PYTHON"] = f"{first}/python3"
    assert tree.call(choose).stdout == f"{first}/python3\n"


def test_an_optimized_python_on_the_path_is_taken(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    first = pythons("first", _python(f"{tree.path}/first", OPTIMIZED))
    assert tree.call("choose_python; echo $python").stdout == f"{first}/python3\n"


def test_one_without_optimizations_is_better_than_none(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    first = pythons("first", _python(f"{tree.path}/first", UNOPTIMIZED))
    chosen = tree.call("SYSTEM_PYTHON=/nowhere/python3; choose_python; echo $python")
    assert chosen.stdout == f"{first}/python3\n"
    assert "was built without optimizations" in chosen.stderr


def test_requirements_are_installed_once_and_again_when_they_change(tree: Tree) -> None:
    python = tree.path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$*" >>calls\n')
    python.chmod(0o755)
    install = "VENV=.venv; make_data; install_requirements requirements.txt"
    for requirements in ("a==1", "a==1", "a==2"):
        (tree.path / "requirements.txt").write_text(requirements)
        assert tree.call(install).returncode == 0
    assert len((tree.path / "calls").read_text().splitlines()) == 2


def test_a_failed_installation_is_told_and_tried_again(tree: Tree) -> None:
    python = tree.path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho no route to host\nexit 1\n")
    python.chmod(0o755)
    (tree.path / "requirements.txt").write_text("a==1")
    for _ in range(2):
        installed = tree.call("VENV=.venv; make_data; install_requirements requirements.txt")
        assert installed.returncode == 1
        assert "| no route to host" in installed.stderr
        assert "pip could not install requirements.txt" in installed.stderr


def test_a_model_of_a_file_asks_for_its_provider_s_packages(tree: Tree) -> None:
    models = '[[model]]\nname = "a"\n  provider = "gemini"  # not "anthropic"\n# provider = "ollama"\n'
    (tree.path / "models.toml").write_text(models)
    asked = tree.call(
        "setting() { if [[ $1 == MODELS_FILE ]]; then echo models.toml; fi; }\n"
        "for name in anthropic gemini ollama; do if wants NO_KEY $name; then echo $name; fi; done"
    )
    assert asked.stdout.split() == ["gemini"]


@pytest.mark.parametrize(
    ("tools", "wanted"),
    [
        ('[tools.clock]\nbuiltin = "current_time"\n# [servers.web]\n', False),
        ('[tools.clock]\nbuiltin = "current_time"\n\n  [ "servers".web ]\nurl = "http://h/mcp"\n', True),
    ],
)
def test_a_server_of_tools_asks_for_its_packages(tree: Tree, tools: str, wanted: bool) -> None:
    (tree.path / "tools.toml").write_text(tools)
    asked = tree.call("setting() { echo tools.toml; }\nif has_tool_servers; then echo wanted; fi")
    assert (asked.stdout.strip() == "wanted") == wanted
