"""Plain `celery -A workers.app worker --concurrency 50`, several times on one host, is all that it takes."""

import json

import anyio
import pytest

from tests.client import Client, new_session, numbered
from tests.integration.conftest import Arena, StartWorkers, alive_workers, eventually

pytestmark = pytest.mark.anyio


async def test_workers_under_default_names_share_the_work(
    arena: Arena, viewer: Client, start_workers: StartWorkers
) -> None:
    workers = start_workers(3, concurrency=50)
    stats = json.loads(
        await anyio.to_thread.run_sync(arena.stack.celery, "inspect", "stats", "--json", "--timeout", "2")
    )
    assert len(stats) == 3
    assert [node["pool"]["max-concurrency"] for node in stats.values()] == [50, 50, 50]
    await eventually(lambda: alive_workers(arena) == 3, 6)
    sessions = [new_session() for _ in range(12)]
    for session in sessions:
        await viewer.ask(session_id=session, model="mock?tokens=20&rate=20")
    for session in sessions:
        assert (await viewer.until(session, "done"))["text"] == numbered(20)
    assert all("turn started" in worker.output() for worker in workers)
