"""Relays: to whoever holds a lease, and to an agent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from api.chat import Chat
from api.inputs.agent_frames import TurnMessage, TurnOptions
from api.narrator import holder_relay
from api.narrator.agent_relay import AgentRelay
from api.narrator.desk import NarratorDesk
from api.narrator.fake_relay import FakeRelay
from api.narrator.holder_relay import HolderRelay
from api.narrator.relay import Narration, Relay, RelayedMessage, RelayFailed, RelayTimeout
from core.agents.agent import Agent
from core.model.errors import NotFound, ProviderError
from core.model.events import Done
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Part, Reasoning, Refusal, Text
from core.model.tape import Tape
from core.store.narrator.controllers import LeaseLost
from core.store.narrator.records import ControllerLease, NarratorEvent
from core.store.store import Store
from core.store.turns.records import Created, NewTurn, Turn
from tests.unit.narrator.conftest import NAME, post, until

pytestmark = pytest.mark.anyio

MESSAGE = RelayedMessage(
    event_id=1,
    conversation_id="s",
    workspace_id=None,
    message="What is new?",
    controller=NAME,
    epoch=None,
    key_name=None,
)
PLANNER = Agent(id="planner", name="Planner", system_prompt="Plan.")


async def test_the_fake_one_answers_in_turn_and_knows_what_it_was_asked() -> None:
    relay = FakeRelay(["one", RelayFailed("away"), "two"])
    answers = []
    for event_id in range(1, 5):
        try:
            answers.append((await relay.relay(msgspec.structs.replace(MESSAGE, event_id=event_id))).message)
        except RelayFailed as error:
            answers.append(error.message)
    assert answers == ["one", "away", "two", "two"]
    assert [asked.event_id for asked in relay.asked] == [1, 2, 3, 4]


class Held:
    """A lease, what was posted under it, and the relay that waits for its holder's word."""

    def __init__(self, lease: ControllerLease, event: NarratorEvent, relay: Relay) -> None:
        self.lease = lease
        self.event = event
        asked = {"event_id": event.event_id, "epoch": lease.epoch}
        self.relaying = asyncio.create_task(relay.relay(msgspec.structs.replace(MESSAGE, **asked)))


@pytest.fixture
async def held(desk: NarratorDesk, store: Store) -> AsyncIterator[Held]:
    lease = (await store.controllers.take(NAME)).lease
    held = Held(lease, await post(store, epoch=lease.epoch), HolderRelay(store, desk.news))
    yield held
    held.relaying.cancel()
    await asyncio.wait([held.relaying])


async def test_a_holder_s_word_is_the_narration(held: Held, store: Store) -> None:
    await store.narrator.answer_for(held.lease, held.event.event_id, "All is well.")
    assert await held.relaying == Narration("All is well.")


async def test_a_holder_that_has_lost_the_lease_cannot_answer(held: Held, store: Store) -> None:
    await store.controllers.take(NAME, takeover=True)
    with pytest.raises(LeaseLost):
        await held.relaying


async def test_nor_can_one_that_has_given_it_back(held: Held, store: Store) -> None:
    await store.controllers.free(NAME)
    with pytest.raises(LeaseLost):
        await held.relaying


async def test_one_that_says_nothing_is_waited_for_so_long(
    desk: NarratorDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder_relay, "RELAY_SECONDS", 0.02)
    lease = (await store.controllers.take(NAME)).lease
    event = await post(store, epoch=lease.epoch)
    message = msgspec.structs.replace(MESSAGE, event_id=event.event_id, epoch=lease.epoch)
    with pytest.raises(RelayTimeout, match=NAME):
        await HolderRelay(store, desk.news).relay(message)


async def test_what_another_process_has_failed_with_is_a_failure(held: Held, store: Store) -> None:
    await store.narrator.answer(held.event, "ERROR", "it broke off")
    with pytest.raises(RelayFailed, match="it broke off"):
        await held.relaying


class AgentsCaller:
    """Whose agent's turn the test ends."""

    def __init__(self, store: Store) -> None:
        self.chat = cast(Chat, self)
        self.feed = Feed(TurnKey("s", 1))
        self.asked: list[tuple[TurnMessage, TurnOptions]] = []
        self.error: Exception | None = None
        self._store = store

    async def agent(self, agent_id: str) -> Agent:
        if agent_id != PLANNER.id:
            raise NotFound(f"there is no agent {agent_id!r}")
        return PLANNER

    async def ask_agent(
        self, message: TurnMessage, agent_id: str, options: TurnOptions, session_id: str, *, is_counted: bool = False
    ) -> Created:
        assert is_counted
        await self.agent(agent_id)
        self.asked.append((message, options))
        given: dict[str, Any] = {"message": message.message, "message_id": message.message_id}
        return await self._store.turns.create(
            NewTurn(session_id=session_id, mode="queue", model="m", options={}, may_wait=True, **given)
        )

    @asynccontextmanager
    async def watch(self, turn: Turn) -> AsyncIterator[Feed]:
        yield self.feed

    async def answered(self, key: TurnKey) -> Turn:
        if self.error is not None:
            raise self.error
        return await self._store.turns.get(key)

    async def end(self, parts: list[Part], reason: str = "stop") -> None:
        claimed = await self._store.ownership.claim(self.feed.key, "w")
        assert isinstance(claimed, Turn)
        tape = Tape(parts)
        done = Done(1, len(tape), reason)
        await self._store.ownership.finish(claimed.key, "w", tape, done)
        self.feed.start(1, "m")
        self.feed.extend(parts)
        self.feed.finish(done)


@pytest.fixture
def caller(store: Store) -> AgentsCaller:
    return AgentsCaller(store)


async def relayed(caller: AgentsCaller, parts: list[Part], reason: str = "stop") -> Narration:
    relaying = asyncio.create_task(AgentRelay(caller, PLANNER.id).relay(MESSAGE))
    await until(lambda: caller.asked)
    await caller.end(parts, reason)
    return await relaying


async def test_an_agent_s_answer_is_the_narration(caller: AgentsCaller) -> None:
    assert await relayed(caller, [Reasoning("hm"), Text("All is "), Text("well.")]) == Narration("All is well.", 1)
    ((message, options),) = caller.asked
    assert (message.message, message.message_id) == ("What is new?", "narrator-1")
    assert (options.mode, options.on_busy) == ("queue", "wait")


async def test_its_turn_is_the_same_for_a_message_that_is_relayed_again(caller: AgentsCaller) -> None:
    narration = await relayed(caller, [Text("Yes.")])
    assert await AgentRelay(caller, PLANNER.id).relay(MESSAGE) == narration


async def test_what_it_refuses_is_told(caller: AgentsCaller) -> None:
    assert (await relayed(caller, [Refusal("I cannot say.")])).message == "I cannot say."


@pytest.mark.parametrize(
    ("parts", "reason", "why"), [([Text("All")], "cancelled", "cancelled"), ([Reasoning("hm")], "stop", "nothing")]
)
async def test_a_turn_without_an_answer_is_a_failure(
    caller: AgentsCaller, parts: list[Part], reason: str, why: str
) -> None:
    with pytest.raises(RelayFailed, match=why):
        await relayed(caller, parts, reason)


async def test_a_turn_that_fails_is_a_failure(caller: AgentsCaller) -> None:
    caller.error = ProviderError("overloaded")
    with pytest.raises(ProviderError, match="overloaded"):
        await relayed(caller, [])


async def test_an_agent_that_was_deleted_is_a_failure(caller: AgentsCaller) -> None:
    with pytest.raises(NotFound, match="gone"):
        await AgentRelay(caller, "gone").relay(MESSAGE)
