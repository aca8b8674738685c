"""Heartbeats: who was seen lately, by the database's clock."""

import pytest
import sqlalchemy as sa

from core.store.database.base import Database
from core.store.liveness import SILENT_SECONDS
from core.store.schema import processes
from core.store.store import Store
from core.version import FORMAT, VERSION
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio


async def test_the_living_are_counted_by_kind(store: Store, make: Maker) -> None:
    for n in range(3):
        await make.process(f"worker-{n}")
    await make.process("api-1", "api")
    assert (await store.processes.count_alive("worker"), await store.processes.count_alive("api")) == (3, 1)


async def test_the_silent_are_not_and_come_back_with_a_beat(store: Store, make: Maker) -> None:
    await make.process("worker")
    await make.age(0.1, process="worker")
    assert await store.processes.count_alive("worker") == 1
    await make.age(SILENT_SECONDS, process="worker")
    assert await store.processes.count_alive("worker") == 0
    await make.process("worker")
    assert await store.processes.count_alive("worker") == 1


async def test_who_leaves_is_gone_at_once(store: Store, make: Maker) -> None:
    turn = await make.running(await make.process("leaver"))
    await store.processes.leave("leaver")
    assert await store.processes.count_alive("worker") == 0
    assert [again.key for again in await store.orphans.requeue_lost()] == [turn.key]


async def test_a_heartbeat_tells_the_process_s_version(database: Database, make: Maker) -> None:
    await make.process("worker")
    row = await database.row(sa.select(processes.c.version, processes.c.format))
    assert row == (VERSION, FORMAT)


async def test_the_oldest_process_alive_says_what_all_can_read(store: Store, database: Database, make: Maker) -> None:
    assert await store.processes.oldest_format() == FORMAT
    await make.process("worker")
    for format_, oldest in ((FORMAT + 1, FORMAT), (FORMAT, FORMAT), (None, 1)):
        await make.process("api", "api")
        await database.change(sa.update(processes).where(processes.c.process_id == "api").values(format=format_))
        assert await store.processes.oldest_format() == oldest
    await make.age(SILENT_SECONDS + 1, process="api")
    assert await store.processes.oldest_format() == FORMAT
