"""What a worker learns of a turn that it takes over: what viewers have of it, by its session log."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.broker.connection import BrokerConnection
from core.model.events import Event
from core.settings import Settings
from core.store.turns.records import NewTurn, Turn
from core.turns.owner import TurnOwner
from workers import turn_handler
from workers.turn_handler import TurnHandler

pytestmark = pytest.mark.anyio


async def test_a_log_that_another_reader_has_costs_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is frozen, say: all other turns of the worker use that connection."""

    async def wait(*_: Any) -> list[Event]:
        await asyncio.Event().wait()
        return []

    async def set_up(_: object) -> None: ...

    monkeypatch.setattr(turn_handler, "read_log", wait)
    monkeypatch.setattr(turn_handler, "PAST_SECONDS", 0.01)
    monkeypatch.setattr("core.broker.connection.RPC_SECONDS", 0.1)
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/test.db")
    connection = BrokerConnection("amqp://localhost:1/", "test", set_up)
    resets: list[None] = []
    monkeypatch.setattr(connection, "reset", lambda: resets.append(None))
    owner = TurnOwner("worker", settings, connection)
    monkeypatch.setattr(owner.catalogue, "may_go_on", lambda _: True)
    await owner.store.open()
    new = NewTurn(session_id="s", mode="queue", model="demo", message="hi", options={})
    key = (await owner.store.turns.create(new)).turn.key
    claimed = await owner.store.ownership.claim(key, "w")
    assert isinstance(claimed, Turn)
    await owner.store.ownership.hand_over(key, 1, "w")
    taken = await owner.store.ownership.claim(key, "w")
    assert isinstance(taken, Turn)
    assert await TurnHandler(owner)._past(taken) is None
    if connection._calls:
        await asyncio.wait(connection._calls)
    assert resets == []
    await owner.stop()
