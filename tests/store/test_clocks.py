"""The database's clock jumps, by correction or by a failover: nobody is taken for dead, or for alive, because of it."""

from time import monotonic

import pytest
import sqlalchemy as sa

from core.store.database.base import Database
from core.store.liveness import LONGEST_GAP_SECONDS, SILENT_SECONDS, Liveness
from core.store.schema import processes, turns
from core.store.store import Store
from core.store.turns.orphans import REQUEUE_SECONDS
from core.store.turns.ownership import Held
from core.store.turns.records import Turn
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

JUMPS = pytest.mark.parametrize("seconds", [60, -60, 3600, -3600, 100_000])


async def jump(database: Database, seconds: float) -> None:
    """What was stored before is so much older then."""
    await database.change(sa.update(processes).values(seen_at=processes.c.seen_at - seconds))
    times = ("created_at", "queued_at", "started_at", "claimed_at", "finished_at")
    await database.change(sa.update(turns).values(**{name: turns.c[name] - seconds for name in times}))


def look_back(store: Store, beat: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process had seen that number of a heartbeat long ago, and had looked on since: until now, when its
    clock stops."""
    liveness: Liveness = store.processes._liveness
    now = monotonic()
    monkeypatch.setattr("core.store.liveness.monotonic", lambda: now)
    at = now - SILENT_SECONDS - 1
    while at < now:
        liveness.look(at, beat)
        at += LONGEST_GAP_SECONDS / 2


@JUMPS
async def test_a_healthy_turn_stays_where_it_is(
    store: Store, database: Database, make: Maker, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = await make.running(await make.process("worker"))
    look_back(store, 0, monkeypatch)
    await jump(database, seconds)
    assert await store.ownership.claim(turn.key, "another") is Held.BUSY
    assert await store.orphans.requeue_lost() == []
    await store.processes.leave("another")  # which forgets processes that are long gone
    assert await store.ownership.claim(turn.key, "another") is Held.BUSY
    assert await store.processes.oldest_format() > 0


@JUMPS
async def test_a_dead_process_is_found_all_the_same(
    store: Store, database: Database, make: Maker, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = await make.running(await make.process("dead"))
    look_back(store, 1, monkeypatch)
    await make.process("alive")
    await jump(database, seconds)
    assert [again.key for again in await store.orphans.requeue_lost()] == [turn.key]
    await jump(database, seconds if abs(seconds) > REQUEUE_SECONDS else REQUEUE_SECONDS + 1)
    assert [again.key for again in await store.orphans.requeue_lost()] == [turn.key]
    assert isinstance(await store.ownership.claim(turn.key, "alive"), Turn)


async def test_who_has_not_looked_on_yet_is_told_that_an_owner_is_dead(
    store: Store, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has just begun gets the job as well as others, and there is no other for a while."""
    dead, frozen = await make.process("dead"), await make.process("frozen")
    turn, other = await make.running(dead), await make.running(frozen, "other")
    look_back(store, 2, monkeypatch)
    requeued = {again.key: again.silent_beat for again in await store.orphans.requeue_lost()}
    assert requeued == {turn.key: 2, other.key: 2}
    store.processes._liveness.__init__()  # type: ignore[misc]
    assert await store.ownership.claim(turn.key, "new") is Held.BUSY
    assert isinstance(await store.ownership.claim(turn.key, "new", 2), Turn)
    await make.process("frozen")  # it lives again
    assert await store.ownership.claim(other.key, "new", 2) is Held.BUSY


async def test_a_process_of_a_release_without_numbers(
    store: Store, database: Database, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is told by the database's clock, but by nobody who has not looked on for so long."""
    turn = await make.running(await make.process("old"))
    long_ago = {"seen_at": processes.c.seen_at - SILENT_SECONDS - 1, "beat": None}
    await database.change(sa.update(processes).values(long_ago))
    assert await store.orphans.requeue_lost() == []
    look_back(store, 1, monkeypatch)
    assert [again.key for again in await store.orphans.requeue_lost()] == [turn.key]
