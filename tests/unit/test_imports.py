"""What a process loads before it serves decides how long it takes to start."""

import subprocess
import sys

import pytest

LATER = {
    "api.app": {
        "aiohttp",
        "openai",
        "mcp",
        "celery",
        "kombu",
        "alembic",
        "psycopg",
        "sqlalchemy.dialects.postgresql",
        "yaml",
    },
    "workers.runtime": {"aiohttp", "openai", "mcp", "alembic", "psycopg", "fastapi", "sqlalchemy.dialects.postgresql"},
}
"""Half a second and more together: a thread of the running process loads what it needs of them (`TurnOwner.warm_up`),
or whatever uses it for the first time."""


@pytest.mark.parametrize("app", LATER)
def test_what_is_not_needed_to_start_is_loaded_later(app: str) -> None:
    code = f"import {app}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert app in loaded
    assert LATER[app].isdisjoint(loaded)
