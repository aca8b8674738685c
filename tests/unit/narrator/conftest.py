"""What the tests of narrators rest on: a desk of one process on a real store, without a broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest

from api.narrator import holder_relay, news
from api.narrator.desk import NarratorDesk
from core.broker.connection import BrokerConnection
from core.bus.publisher import BusPublisher
from core.store.narrator.records import NarratorEvent, NewMessage
from core.store.store import Store
from tests.patience import PATIENCE_SECONDS
from tests.unit.fake_connection import FakeConnection

NO_BROKER = "amqp://localhost:1/"
NAME = "controller"


@pytest.fixture
def connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture
async def desk(
    store: Store, connection: FakeConnection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[NarratorDesk]:
    for module in (holder_relay, news):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    bus = BusPublisher(cast(BrokerConnection, connection), "api-here-1-a")
    desk = NarratorDesk(store, bus, NO_BROKER, None)
    yield desk
    await desk.stop()


async def post(store: Store, session_id: str = "s", epoch: int | None = None) -> NarratorEvent:
    new = NewMessage(session_id=session_id, message="What is new?", controller=NAME, epoch=epoch, workspace_id="w")
    return (await store.narrator.post(new)).event


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def eventually(ask: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await ask():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
