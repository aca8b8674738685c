"""A token's way in queue mode: few functions in few modules have it in hand; docs/architecture.md names them all."""

import json
import re
import subprocess
import sys

from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT, Stack

MOST_FUNCTIONS, MOST_MODULES = 30, 10


def documented() -> set[tuple[str, str]]:
    """Of the table: a row without a module goes on with the last one."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("## The way of a token")[2].partition("\n## ")[0]
    steps: set[tuple[str, str]] = set()
    module = ""
    for modules, functions in re.findall(r"^\| ([^|]*) \| ([^|]*) \|", table, re.MULTILINE):
        module = modules.strip("` ") or module
        steps.update((module, function) for function in re.findall(r"`([\w.]+)`", functions))
    return steps


def test_the_page_about_it_is_true(stack: Stack) -> None:
    command = [sys.executable, "-m", "tests.integration.token_path"]
    told = subprocess.run(
        command, cwd=ROOT, env=stack.environment(), capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS
    )
    assert told.returncode == 0, told.stderr
    steps = {(module, function) for module, function in json.loads(told.stdout)}
    assert steps == documented()
    assert len(steps) <= MOST_FUNCTIONS
    assert len({module for module, _ in steps}) <= MOST_MODULES
