"""Direct answers of a process that stops."""

import asyncio

import pytest

from api import direct
from api.direct import DirectRuns
from core.model.errors import StoreDown
from core.providers.demo.provider import DemoProvider
from core.settings import Settings
from core.store.store import Store
from core.store.turns.records import NewTurn
from core.tools.toolbox import Toolbox
from core.turns.keeper import Keeper
from core.turns.services import RunServices
from core.turns.subscribers import TurnSubscribers
from core.turns.ticks import TickScheduler
from tests.patience import PATIENCE_SECONDS
from tests.unit.scripted import catalogue_of

pytestmark = pytest.mark.anyio

PROCESS = "api-here-1-a"


async def test_it_stops_though_the_database_does_not_take_their_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def finish(*_: object, **__: object) -> bool:
        asked.set()
        raise StoreDown("away")

    monkeypatch.setattr(store.ownership, "finish", finish)
    monkeypatch.setattr(direct, "COMMIT_SECONDS", 0.05)
    keeper = Keeper(store, PROCESS, "api")
    settings = Settings(_env_file=None)
    services = RunServices(
        store=store,
        catalogue=catalogue_of(DemoProvider(pace=0)),
        settings=settings,
        process_id=PROCESS,
        subscribers=TurnSubscribers(),
        ticks=TickScheduler(),
        toolbox=Toolbox(settings),
    )
    runs = DirectRuns(services, keeper)
    new = NewTurn(session_id="s", mode="direct", model="demo", message="hi", options={}, owner=PROCESS)
    async with runs.answer((await store.turns.create(new)).turn, may_restart=True):
        await asyncio.wait_for(asked.wait(), PATIENCE_SECONDS)
        await asyncio.wait_for(runs.stop(), PATIENCE_SECONDS)
    assert keeper.runs == {}
