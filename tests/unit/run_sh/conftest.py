"""run.sh as far as it can be tested without installing or starting anything; `./run.sh smoke` in CI tests the rest."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.run_sh.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
