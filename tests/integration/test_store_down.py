"""The database goes away for longer than a process may be silent, and comes back: answers pause at most."""

import signal
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from core.store.liveness import SILENT_SECONDS
from tests.client import Client, SseEvent, numbered, text_of, types_of
from tests.integration.conftest import eventually
from tests.patience import promised
from tests.postgres import Postgres
from tests.proxy import Proxy
from tests.stack import Stack

pytestmark = pytest.mark.anyio

DOWN_SECONDS = SILENT_SECONDS + 0.5
STOP_SECONDS = 5.0
RATE = 40
TOKENS = int(RATE * (DOWN_SECONDS + 3))


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Proxy]:
    with Proxy(postgres.new_database()) as proxy:
        yield proxy


@pytest.fixture
def stack(broker: str, tmp_path: Path, database: Proxy) -> Iterator[Stack]:
    with Stack(tmp_path, DATABASE_URL=database.url) as stack:
        yield stack


async def test_running_answers_go_on(stack: Stack, database: Proxy) -> None:
    """Nobody takes one over or ends it, though all heartbeats are old when the database is back."""
    api, _ = stack.start_api(), stack.start_workers(2)
    begun = [anyio.Event(), anyio.Event()]
    answers: list[list[SseEvent]] = []

    async def answer(mode: str, has_begun: anyio.Event) -> None:
        fields = {"mode": mode, "model": f"mock?tokens={TOKENS}&rate={RATE}"}
        async with client.ask_streaming(accept="text/event-stream", **fields) as stream:
            await stream.read_chars(40)
            has_begun.set()
            answers.append(await stream.rest())

    async with Client(api.url) as client, anyio.create_task_group() as people:
        for mode, has_begun in zip(("queue", "direct"), begun, strict=True):
            people.start_soon(answer, mode, has_begun)
        for has_begun in begun:
            await has_begun.wait()
        database.refuse()
        await anyio.sleep(DOWN_SECONDS)
        database.restore()
    for events in answers:
        assert types_of(events)[-1] == "done"
        assert "restart" not in types_of(events)
        assert text_of(events) == numbered(TOKENS)


async def test_a_worker_that_waits_for_its_database_can_be_stopped(stack: Stack, database: Proxy) -> None:
    database.refuse()
    worker = stack.launch_worker()
    await eventually(lambda: "store not reached" in worker.output())
    worker.signal(signal.SIGTERM)
    with promised(STOP_SECONDS):
        await eventually(lambda: not worker.alive)
    assert worker.exit_code == 0
