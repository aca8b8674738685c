"""Growth: what the store is asked costs the same with ten turns as with a million."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.model.events import Done
from core.model.parts import Text
from core.model.tape import Tape
from core.store.database.from_url import database_from_url
from core.store.store import Store
from core.store.turns.filters import ANY_TURN, TurnFilter
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

W = "worker-1"


@contextmanager
def listening() -> Iterator[set[str]]:
    """The statements that connections made meanwhile are given, with their parameters in them."""
    heard: set[str] = set()

    def listen(connection: sqlite3.Connection, _: Any) -> None:
        connection.set_trace_callback(heard.add)

    sa.event.listen(sa.pool.Pool, "connect", listen)
    try:
        yield heard
    finally:
        sa.event.remove(sa.pool.Pool, "connect", listen)


async def test_no_question_looks_at_every_turn(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    store = Store(f"sqlite:///{file}")
    await store.open()
    await store.close()
    store, database = Store(f"sqlite:///{file}"), database_from_url(f"sqlite:///{file}")
    store._database.is_migrated = database.is_migrated = True
    make = Maker(store, database)
    with listening() as heard:
        for mode in ("queue", "direct"):
            turn = await make.queued(mode=mode, owner=W if mode == "direct" else None)
            if mode == "queue":
                await store.turns.position(turn)
                await store.ownership.claim(turn.key, W)
            await store.ownership.next_attempt(turn.key, 1, W)
            await store.ownership.finish(turn.key, W, Tape([Text("an answer")]), Done(2, 9, "stop"))
            await store.turns.get(turn.key)
        await make.queued()
        await store.turns.latest("s")
        await store.turns.of_session("s")
        await store.turns.places()
        await store.turns.request_cancel("s")
        await store.processes.beat(W, "worker")
        await store.ownership.owned_by(W)
        await store.orphans.requeue_lost()
        await store.orphans.overdue_queues()
        await store.orphans.requeue_overdue(None)
        await store.orphans.lost_direct()
        await store.orphans.cancelled()
        await store.orphans.left_logs()
        await store.sessions.get("s")
        await store.sessions.recent(10)
        await store.sessions.recent(10, TurnFilter(goal_id="g"))
        finished = TurnFilter(states=frozenset({"done", "error"}))
        for wanted in (ANY_TURN, finished, TurnFilter(goal_id="g"), TurnFilter(states=frozenset({"error"}))):
            await store.turns.page(10, wanted, text_chars=10)
    await database.close()
    await store.close()
    asked = {statement for statement in heard if statement.startswith(("SELECT", "INSERT", "UPDATE"))}
    assert len(asked) > 20
    with closing(sqlite3.connect(file)) as connection:
        connection.create_function("hopstream_now", 0, lambda: 0.0)
        for statement in asked:
            plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [step for step in plan if step.startswith("SCAN turns")], (statement, plan)
            is_page = "substr(" in statement
            assert not (is_page and "USE TEMP B-TREE FOR ORDER BY" in plan), (statement, plan)
