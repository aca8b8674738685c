"""A registration: the lease that a connection holds, what it is told by it, and how it is lost."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.inputs.agent_frames import BadFrame, NarrationFrame, RegisterFrame
from api.narrator.desk import NARRATION_CHARS, NarratorDesk
from api.narrator.registration import Registration
from core.model.errors import HopstreamError, NotFound, TooLarge
from core.store.narrator.controllers import ControllerHeld, LeaseLost
from core.store.store import Store
from tests.unit.narrator.conftest import NAME, eventually, post, until

pytestmark = pytest.mark.anyio

SHORT_SECONDS = 0.3
"""Of a lease that is renewed while a test runs."""


class Client:
    """A connection's."""

    def __init__(self, desk: NarratorDesk, store: Store) -> None:
        self.frames: list[dict[str, Any]] = []
        self.errors: list[HopstreamError] = []
        self.registration = Registration(store, desk.news, "api-here-1-a", self.say, self.refuse)

    async def say(self, kind: str, **words: Any) -> None:
        self.frames.append({"type": kind, **words})

    async def refuse(self, error: HopstreamError) -> None:
        self.errors.append(error)

    async def register(self, controller: str = NAME, **frame: Any) -> dict[str, Any]:
        await self.registration.register(RegisterFrame(type="register", controller=controller, **frame))
        return self.of("registered")[-1]

    async def narrate(self, event_id: int, message: str = "All is well.") -> None:
        await self.registration.answer(NarrationFrame(type="narration", event_id=event_id, message=message))

    @property
    def told(self) -> list[int]:
        """The events, as they came."""
        return [frame["eventId"] for frame in self.of("narrator")]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]


async def is_renewed(store: Store) -> None:
    """From now on, once."""
    before = (await store.controllers.get(NAME)).renewed_at

    async def is_later() -> bool:
        return (await store.controllers.get(NAME)).renewed_at > before

    await eventually(is_later)


@pytest.fixture
async def client(desk: NarratorDesk, store: Store) -> AsyncIterator[Client]:
    client = Client(desk, store)
    yield client
    await client.registration.close()


@pytest.fixture
async def other(desk: NarratorDesk, store: Store) -> AsyncIterator[Client]:
    """Another connection."""
    client = Client(desk, store)
    yield client
    await client.registration.close()


async def test_it_is_told_what_is_posted_and_answers_once(client: Client, store: Store) -> None:
    registered = await client.register()
    assert (registered["controller"], registered["epoch"], registered["renewAfter"]) == (NAME, 1, 10)
    event = await post(store, epoch=1)
    await until(lambda: client.of("narrator"))
    second = await post(store, epoch=1)
    await until(lambda: second.event_id in client.told)
    assert client.of("narrator")[0] == {
        "type": "narrator",
        "eventId": event.event_id,
        "message": "What is new?",
        "epoch": 1,
        "conversationId": "s",
        "workspaceId": "w",
    }
    for message in ("All is well.", "Once more."):
        await client.narrate(second.event_id, message)
    answer = await store.narrator.answer_to(second.event_id)
    assert answer is not None
    assert answer.message == "All is well."
    third = await post(store, epoch=1)
    await until(lambda: third.event_id in client.told)
    assert client.told == [event.event_id, second.event_id, third.event_id]


async def test_what_was_posted_while_it_was_away_is_told(client: Client, other: Client, store: Store) -> None:
    registered = await client.register()
    await client.registration.close()
    assert (await store.controllers.get(NAME)).holder is None
    event = await post(store, epoch=1)
    again = await other.register(lease_id=registered["leaseId"])
    assert (again["epoch"], again["leaseId"]) == (1, registered["leaseId"])
    await until(lambda: other.told == [event.event_id])


async def test_another_one_is_refused_unless_it_takes_over(client: Client, other: Client, store: Store) -> None:
    await client.register()
    with pytest.raises(ControllerHeld):
        await other.register()
    event = await post(store, epoch=1)
    assert (await other.register(takeover=True))["epoch"] == 2
    with pytest.raises(LeaseLost):
        await client.narrate(event.event_id)
    with pytest.raises(LeaseLost):
        await other.narrate(event.event_id)


async def test_it_is_renewed_for_as_long_as_it_is_open(client: Client, store: Store) -> None:
    lease = (await store.controllers.take(NAME, ttl_seconds=SHORT_SECONDS)).lease
    await client.register(lease_id=lease.lease_id)
    for _ in range(3):
        await is_renewed(store)
    assert client.registration.is_held
    assert client.errors == []


async def test_one_that_is_lost_is_told_once(client: Client, store: Store) -> None:
    lease = (await store.controllers.take(NAME, ttl_seconds=SHORT_SECONDS)).lease
    await client.register(lease_id=lease.lease_id)
    await store.controllers.take(NAME, takeover=True)
    await until(lambda: client.errors)
    assert [type(error) for error in client.errors] == [LeaseLost]
    assert not client.registration.is_held
    with pytest.raises(BadFrame, match="register first"):
        await client.narrate(1)
    assert (await client.register(takeover=True))["epoch"] == 3
    event = await post(store, epoch=3)
    await until(lambda: client.told == [event.event_id])


async def test_one_that_is_found_lost_by_its_client_is_not_held_any_more(client: Client, store: Store) -> None:
    await client.register()
    with pytest.raises(LeaseLost):
        await client.register(lease_id="another")
    assert client.registration.is_held
    await store.controllers.take(NAME, takeover=True)
    with pytest.raises(LeaseLost):
        await client.register()
    assert not client.registration.is_held
    assert (await client.register(takeover=True))["epoch"] == 3
    assert client.errors == []


async def test_what_an_agent_answers_is_not_told(client: Client, store: Store) -> None:
    """The connection keeps its lease alone; also where it was given to the agent later."""
    lease = (await store.controllers.take(NAME, ttl_seconds=SHORT_SECONDS)).lease
    await client.register(lease_id=lease.lease_id)
    await store.controllers.take(NAME, lease_id=lease.lease_id, agent_id="planner")
    await is_renewed(store)
    await post(store, epoch=1)
    await is_renewed(store)
    assert client.told == []


async def test_it_is_renewed_by_its_own_client_too(client: Client) -> None:
    first = await client.register()
    assert (await client.register())["leaseId"] == first["leaseId"]


async def test_a_connection_holds_one(client: Client, store: Store) -> None:
    await client.register()
    with pytest.raises(BadFrame, match="another"):
        await client.register("another")
    assert [lease.name for lease in await store.controllers.all()] == [NAME]


async def test_only_who_is_registered_answers_and_only_what_it_was_told(client: Client, store: Store) -> None:
    with pytest.raises(BadFrame, match="register first"):
        await client.narrate(1)
    await client.register()
    with pytest.raises(NotFound):
        await client.narrate(1000)
    event = await post(store, epoch=1)
    with pytest.raises(TooLarge):
        await client.narrate(event.event_id, "a" * (NARRATION_CHARS + 1))
    assert await store.narrator.answer_to(event.event_id) is None
