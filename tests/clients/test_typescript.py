"""The TypeScript client: its own checks, and its suite against a real stack."""

import json
from pathlib import Path

import pytest

from tests.clients import package
from tests.stack import Stack

KEYS = ["", "typescript-5c1d0b7e94a2"]
"""Of an API that is open to everybody, and of one that is not."""

pytestmark = pytest.mark.usefixtures("built")


def test_it_is_formatted() -> None:
    package.run("prettier", "--check", ".")


@pytest.mark.parametrize("project", [".", "tests", "tests/snippets", "tests/consumer"])
def test_types_are_right(project: str) -> None:
    """Of the client, of its tests, of the snippets that its users began with, and of a page's project."""
    package.run("tsc", "-p", project)


def test_it_survives_a_wire_that_breaks() -> None:
    package.run("vitest", "run", "--project", "parts")


@pytest.mark.parametrize("key", KEYS)
def test_its_suite_passes_with_a_fake_server(key: str) -> None:
    """So that a failure with a real one is the server's."""
    package.run("vitest", "run", "--project", "stack", HOPSTREAM_KEY=key)


@pytest.mark.parametrize("key", KEYS)
def test_its_suite_passes_with_a_real_stack(broker: str, tmp_path: Path, key: str) -> None:
    with Stack(tmp_path, API_KEYS=key and f"typescript:{key}") as stack:
        api = stack.start_api()
        stack.start_worker()
        addresses = {"HOPSTREAM_URL": api.url, "HOPSTREAM_MOCK_URL": stack.mock_url}
        package.run("vitest", "run", "--project", "stack", HOPSTREAM_KEY=key, **addresses)


def test_what_is_published_is_in_order(tmp_path: Path) -> None:
    tarball = str(package.pack(tmp_path))
    package.run("publint", "--strict", tarball)
    package.run("attw", tarball)


def test_it_is_small() -> None:
    package.run_script("tests/size.ts")


def test_it_depends_on_nothing_and_its_tools_on_no_registry_by_name() -> None:
    assert "dependencies" not in json.loads((package.HOME / "package.json").read_text())
    locked = json.loads(package.LOCK.read_text())["packages"]
    assert [name for name, found in locked.items() if "resolved" in found] == []
