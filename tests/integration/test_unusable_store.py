"""A database that a process cannot run on: it says why in one line, and ends."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.processes import Process
from tests.stack import Stack

pytestmark = pytest.mark.anyio

LATER = "9999"


@pytest.fixture
def stack_of_later_schema(stack: Stack) -> Stack:
    """Its database was made by a release so late that ours cannot use it."""
    with closing(sqlite3.connect(stack.home / "test.db")) as database, database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES (?)", (LATER,))
        database.execute("CREATE TABLE schema_marks (oldest_code VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO schema_marks VALUES (?)", (LATER,))
    return stack


@pytest.mark.parametrize("launch", [Stack.launch_api, Stack.launch_worker])
def test_a_url_that_cannot_be_read(stack: Stack, launch: Callable[..., Process]) -> None:
    process = launch(stack, DATABASE_URL="postgresql://user@host:port/database")
    assert process.wait() != 0
    assert process.output().count("DATABASE_URL is not a URL such as") == 1
    assert "Traceback" not in process.output()


def _assert_says_so_and_ends(process: Process, action: str) -> None:
    assert process.wait() != 0
    lines = [line for line in process.output().splitlines() if action in line]
    assert len(lines) == 1, process.output()
    assert f"only code that knows {LATER} can use" in lines[0]
    assert "Traceback" not in process.output()


def test_an_api_says_so_and_ends(stack_of_later_schema: Stack) -> None:
    _assert_says_so_and_ends(stack_of_later_schema.launch_api(), "api.cannot_run")


def test_a_worker_says_so_and_ends(stack_of_later_schema: Stack) -> None:
    _assert_says_so_and_ends(stack_of_later_schema.launch_worker(), "worker.cannot_run")
