"""A program with the TypeScript client, while what it talks to is stopped or killed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.client import new_session, numbered
from tests.clients.package import HOME
from tests.integration.conftest import eventually
from tests.node import node
from tests.peers.clients import Kind, asking
from tests.processes import Api
from tests.stack import Stack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("built")]

HELD, ALL = 5, 30
PROGRAM = Kind("streaming-llm-client", lambda: [node(), str(HOME / "tests" / "stack" / "chat.mjs")])


@asynccontextmanager
async def answered(stack: Stack, api: Api) -> AsyncIterator[list[str]]:
    """In the midst of an answer; with the block's end it goes on. Then the list has the program's lines: what it showed
    (another line wherever the answer began again), and at last the whole answer."""
    session, lines = new_session(), list[str]()
    model = f"mock?tokens={ALL}&hold_after={HELD}&id={session}"
    with asking(PROGRAM, api.url, session, model, stack.home) as client:
        await eventually(lambda: client.text == numbered(HELD) or client.has_ended())
        yield lines
        stack.release(session)
        await eventually(client.has_ended)
        assert client.process.returncode == 0, client.errors
        lines += client.text.split("\n")


async def test_an_api_process_that_restarts_costs_an_answer_nothing(broker: str, tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        api = stack.start_api()
        stack.start_worker()
        async with answered(stack, api) as lines:
            api.stop()
            stack.start_api(port=int(api.url.rpartition(":")[2]))
        assert lines == [numbered(ALL), numbered(ALL)]


async def test_a_worker_that_is_killed_makes_an_answer_begin_again(broker: str, tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        api = stack.start_api()
        worker = stack.start_worker()
        async with answered(stack, api) as lines:
            worker.kill()
            stack.start_worker()
        assert lines == [numbered(HELD), numbered(ALL), numbered(ALL)]
