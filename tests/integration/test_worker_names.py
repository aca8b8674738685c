"""Plain `celery -A workers.app worker --concurrency 50`, several times on one host, is all that it takes."""

import json

import pytest

from tests.client import Client, new_session, numbered
from tests.integration.conftest import Arena, StartWorkers, alive_workers, celery, eventually

pytestmark = pytest.mark.anyio


async def test_workers_under_default_names_share_the_work(
    arena: Arena, viewer: Client, start_workers: StartWorkers
) -> None:
    workers = start_workers(3, concurrency=50)
    stats = json.loads(await celery(arena.stack, "inspect", "stats", "--json", to=workers))
    assert len(stats) == 3
    assert [node["pool"]["max-concurrency"] for node in stats.values()] == [50, 50, 50]
    await eventually(lambda: alive_workers(arena) == 3)
    sessions = [new_session() for _ in range(12)]
    for session in sessions:
        await viewer.ask(session_id=session, model="mock?tokens=20&rate=20")
    for session in sessions:
        assert (await viewer.until(session, "done"))["text"] == numbered(20)
    assert all("turn started" in worker.output() for worker in workers)


async def test_a_worker_whose_name_is_taken_waits_for_it(
    arena: Arena, viewer: Client, start_workers: StartWorkers
) -> None:
    """As its own is while RabbitMQ has not missed its old connection."""
    name = ("-n", f"{new_session()}@here")
    [first] = start_workers(1, *name)
    second = arena.stack.launch_worker(*name)
    await eventually(lambda: "RESOURCE_LOCKED" in second.output())
    first.stop()
    await eventually(lambda: " ready." in second.output())
    session = new_session()
    await viewer.ask(session_id=session, model="mock?tokens=20")
    assert (await viewer.until(session, "done"))["text"] == numbered(20)
    assert "turn started" in second.output()
