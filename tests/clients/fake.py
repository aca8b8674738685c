"""The fake Hopstream that the TypeScript client's tests have, as a process."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.clients.package import HOME
from tests.node import node
from tests.patience import PATIENCE_SECONDS


@contextmanager
def fake_hopstream(key: str = "") -> Iterator[str]:
    """Its URL. With an API key that everybody needs, if there is one."""
    command = [node(), str(HOME / "tests" / "fake" / "main.ts")]
    with subprocess.Popen(command, env={"FAKE_KEY": key}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
