"""Submitting a message to an agent: what was stored is answered, whatever becomes of who has asked."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from api.access.access import Access
from api.caller import Caller
from api.inputs.agent_frames import TurnMessage, TurnOptions
from api.services import Services
from core.model.context import RequestContext
from core.model.errors import NotFound, RateLimited
from core.providers.base import Item, Request
from core.providers.demo import provider
from core.settings import Settings
from core.store.database.base import Database
from core.store.database.sqlite import SqliteDatabase
from core.store.reach import EVERYTHING, Reach
from core.store.store import Store
from core.store.turns.records import Turn
from core.store.turns.turns import Turns
from core.store.turns.waiting import WaitingTurns
from tests.patience import PATIENCE_SECONDS
from tests.unit.narrator.conftest import NO_BROKER, eventually

pytestmark = pytest.mark.anyio

DIRECT = TurnOptions(mode="direct")
AGENT = "planner"


@pytest.fixture
async def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    """Of a process whose database is open, and is waited for as if another process wrote; without a broker."""
    monkeypatch.setattr(SqliteDatabase, "run", Database.run)
    monkeypatch.setattr(provider, "TOKENS_PER_SECOND", 10_000.0)
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/test.db", rabbit_mq=NO_BROKER)
    services = Services(settings, Access(settings))
    services.start()

    async def is_open() -> bool:
        return bool(services.store.id) and bool(await services.agents.list(EVERYTHING))

    await eventually(is_open)
    yield services
    await services.stop()


@pytest.fixture
def caller(services: Services) -> Caller:
    return Caller(services, EVERYTHING, RequestContext(), "")


async def leave_within(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, asking: Coroutine[Any, Any, object]
) -> None:
    """Whoever is asking is cancelled while the method, which takes its course, waits for the database."""
    course = getattr(owner, method)

    async def enter(*args: Any, **kwargs: Any) -> Any:
        task.cancel()
        return await course(*args, **kwargs)

    monkeypatch.setattr(owner, method, enter)
    task = asyncio.create_task(asking)
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.fixture
def may_answer(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Before it is set the model says nothing."""
    may_answer, course = asyncio.Event(), provider.DemoProvider._items

    async def items(self: provider.DemoProvider, request: Request) -> AsyncGenerator[Item]:
        await may_answer.wait()
        async with aclosing(course(self, request)) as said:
            async for item in said:
                yield item

    monkeypatch.setattr(provider.DemoProvider, "_items", items)
    return may_answer


def has_ended(store: Store, session_id: str) -> Callable[[], Awaitable[bool]]:
    async def ended() -> bool:
        statuses = await store.turns.statuses(session_id)
        assert "error" not in statuses.values()
        return bool(statuses) and set(statuses.values()) == {"done"}

    return ended


async def ask(caller: Caller, message: str = "hi", session_id: str = "s") -> None:
    await caller.ask_agent(TurnMessage(message=message), AGENT, DIRECT, session_id)


async def test_a_direct_turn_is_answered_though_its_client_leaves_while_it_is_stored(
    services: Services, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_within(monkeypatch, Turns, "create", ask(caller))
    await eventually(has_ended(services.store, "s"))


async def test_one_that_waited_is_answered_though_its_client_leaves_while_it_is_started(
    services: Services, caller: Caller, monkeypatch: pytest.MonkeyPatch, may_answer: asyncio.Event
) -> None:
    await services.queue.stop()  # no sweep
    await ask(caller, "one")
    await ask(caller, "two")
    may_answer.set()
    await eventually(lambda: is_waiting_alone(services.store))
    await leave_within(monkeypatch, WaitingTurns, "start_next", services.queue.start_next("s"))
    await eventually(has_ended(services.store, "s"))


async def test_one_that_is_started_while_the_process_stops_is_ended_by_it(
    services: Services, caller: Caller, monkeypatch: pytest.MonkeyPatch, may_answer: asyncio.Event
) -> None:
    await services.queue.stop()
    await ask(caller, "one")
    await ask(caller, "two")
    may_answer.set()
    await eventually(lambda: is_waiting_alone(services.store))
    course, started, goes_on = services.store.waiting.start_next, asyncio.Event(), asyncio.Event()

    async def start_next(session_id: str, process_id: str) -> Turn | None:
        turn = await course(session_id, process_id)
        started.set()
        await goes_on.wait()
        return turn

    async def close() -> None: ...

    monkeypatch.setattr(services.store.waiting, "start_next", start_next)
    starting = asyncio.create_task(services.queue.start_next("s"))
    await asyncio.wait_for(started.wait(), PATIENCE_SECONDS)
    with monkeypatch.context() as patch:
        patch.setattr(services.store, "close", close)  # for a look at it
        stopping = asyncio.create_task(services.stop())
        await asyncio.sleep(0)
        goes_on.set()
        await asyncio.gather(starting, stopping)
    assert (await services.store.turns.latest("s")).finish_reason == "cancelled"


async def is_waiting_alone(store: Store) -> bool:
    return list((await store.turns.statuses("s")).values()) == ["done", "waiting"]


async def test_a_message_that_comes_again_has_its_turn_whatever_would_refuse_it_now(
    services: Services, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = TurnMessage(message="hi", message_id="m1")
    alice = Caller(services, Reach("alice"), RequestContext(), "")
    first = await alice.ask_agent(message, AGENT, DIRECT, "s")

    async def refuse(_: str) -> None:
        raise RateLimited("too many", retry_after=1)

    monkeypatch.setattr(services.rate_limit, "spend", refuse)
    agent_id, options = "deleted", TurnOptions(mode="queue")  # and there is no broker
    again = await alice.ask_agent(message, agent_id, options, "s")
    assert (again.turn.key, again.is_new) == (first.turn.key, False)
    with pytest.raises(NotFound):
        await alice.ask_agent(message, agent_id, options, "another")
    with pytest.raises(NotFound):  # it is out of reach
        await Caller(services, Reach("bob"), RequestContext(), "").ask_agent(message, agent_id, options, "s")
