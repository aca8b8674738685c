"""The narrator of a caller: who is to answer what is posted, in which conversation, and what a resend gets."""

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from api.chat import Chat
from api.inputs.agent_frames import TurnMessage, TurnOptions
from api.inputs.narrator import NarratorPost
from api.narrator.desk import NarratorDesk
from api.narrator.fake_relay import FakeRelay
from api.narrator.narrator import Narrator
from api.narrator.relay import NoController, RelayFailed
from core.agents.agent import Agent
from core.bus.messages import decode_message
from core.model.errors import Closing, NotFound, ProviderError, TooLarge
from core.model.keys import is_session_id
from core.store.reach import EVERYTHING, Reach
from core.store.store import Store
from core.store.turns.records import Created
from tests.unit.fake_connection import FakeConnection
from tests.unit.narrator.conftest import NAME, eventually

pytestmark = pytest.mark.anyio

MAX_CHARS = 100


class AgentsCaller:
    """With one agent, that fails."""

    chat = cast(Chat, None)

    def __init__(self, agent_id: str | None = None) -> None:
        self._agent_id = agent_id

    async def agent(self, agent_id: str) -> Agent:
        if agent_id != self._agent_id:
            raise NotFound(f"there is no agent {agent_id!r}")
        return Agent(id=agent_id, name="A", system_prompt="Be brief.")

    async def ask_agent(
        self, message: TurnMessage, agent_id: str, options: TurnOptions, session_id: str, *, is_counted: bool = False
    ) -> Created:
        raise ProviderError(f"{agent_id} was asked in {session_id}")


@pytest.fixture
def fake(desk: NarratorDesk) -> FakeRelay:
    """In place of all controllers."""
    relay = FakeRelay(["All is well.", "Still."])
    desk.relay = relay
    return relay


def narrator(desk: NarratorDesk, store: Store, reach: Reach = EVERYTHING, agent_id: str | None = None) -> Narrator:
    return Narrator(desk, store.within(reach), AgentsCaller(agent_id), reach.key_name, MAX_CHARS)


def asked(message: str = "What is new?", **fields: Any) -> NarratorPost:
    return NarratorPost(message=message, **fields)


async def test_without_a_controller_nothing_is_stored_and_the_log_says_so(desk: NarratorDesk, store: Store) -> None:
    with capture_logs() as lines, pytest.raises(NoController, match=r"'boss'.*PUT /controllers/boss") as refused:
        await narrator(desk, store).post(asked(conversation_id="s", controller="boss"))
    assert refused.value.retry_after is not None
    assert await store.narrator.last_seq("s") == 0
    assert [(line["action"], line["log_level"], line["controller"]) for line in lines] == [
        ("narrator.no_controller", "warning", "boss")
    ]


async def test_an_agent_of_that_name_is_the_controller(desk: NarratorDesk, store: Store) -> None:
    with pytest.raises(RelayFailed, match="controller was asked in s"):
        await narrator(desk, store, agent_id=NAME).post(asked(conversation_id="s"))
    told = await store.narrator.page("s", 0, 9)
    assert [(event.type, event.epoch) for event in told] == [("USER_MESSAGE", None), ("ERROR", None)]


async def test_a_lease_goes_before_an_agent_of_its_name_and_may_name_another_one(
    desk: NarratorDesk, store: Store
) -> None:
    await store.controllers.take(NAME, agent_id="planner")
    caller = narrator(desk, store, agent_id="planner")
    with pytest.raises(RelayFailed, match="planner was asked in s"):
        await caller.post(asked(conversation_id="s"))
    assert {event.epoch for event in await store.narrator.page("s", 0, 9)} == {1}


async def test_a_lease_without_an_agent_is_answered_by_its_holder(desk: NarratorDesk, store: Store) -> None:
    lease = (await store.controllers.take(NAME)).lease
    posting = asyncio.create_task(narrator(desk, store, agent_id=NAME).post(asked(conversation_id="s")))
    await eventually(lambda: store.narrator.unanswered(lease, 60))
    (told,) = await store.narrator.unanswered(lease, 60)
    await store.narrator.answer_for(lease, told.event_id, "All is well.")
    event, answer = await posting
    assert (event, answer.message) == (told, "All is well.")


@pytest.mark.usefixtures("fake")
async def test_a_workspace_has_a_conversation_of_its_own(desk: NarratorDesk, store: Store) -> None:
    caller = narrator(desk, store)
    readable = await caller.post(asked(workspace_id="demo"))
    other = await caller.post(asked(workspace_id="My workspace: 1"))
    assert readable.event.session_id == "narrator-demo"
    assert is_session_id(other.event.session_id)
    assert (await caller.post(asked(workspace_id="My workspace: 1"))).event.session_id == other.event.session_id
    assert (await caller.post(asked(workspace_id="demo", conversation_id="s"))).event.session_id == "s"
    assert (await caller.post(asked())).event.session_id != (await caller.post(asked())).event.session_id
    for workspace, conversation in (("demo", "narrator-demo"), ("My workspace: 1", other.event.session_id)):
        session_id, events = await caller.feed(None, workspace, 0, 9)
        assert session_id == conversation
        assert events[0].workspace_id == workspace


@pytest.mark.usefixtures("fake")
async def test_keys_have_workspaces_of_their_own(desk: NarratorDesk, store: Store) -> None:
    alice, bob = (narrator(desk, store, Reach(name)) for name in ("alice", "bob"))
    mine = await alice.post(asked(workspace_id="demo"))
    theirs = await bob.post(asked(workspace_id="demo"))
    assert mine.event.session_id != theirs.event.session_id
    with pytest.raises(NotFound):
        await bob.post(asked(conversation_id=mine.event.session_id))
    assert await bob.feed(mine.event.session_id, None, 0, 9) == (mine.event.session_id, [])


async def test_a_message_that_comes_again_gets_the_same_answer(
    desk: NarratorDesk, store: Store, fake: FakeRelay
) -> None:
    """Without the conversation that its client was not told of, and with another one of the same id elsewhere."""
    caller = narrator(desk, store)
    first = await caller.post(asked(message_id="m1"))
    assert await caller.post(asked("Whatever.", message_id="m1")) == first
    assert len(fake.asked) == 1
    second = await caller.post(asked(message_id="m2"))
    assert second.event.session_id != first.event.session_id
    assert (await caller.post(asked(conversation_id="s", message_id="m1"))).event.session_id == "s"
    assert len(fake.asked) == 3


async def test_also_when_its_controller_is_gone(desk: NarratorDesk, store: Store) -> None:
    await store.controllers.take(NAME, agent_id="planner")
    caller = narrator(desk, store, agent_id="planner")
    message = asked(conversation_id="s", message_id="m1")
    with pytest.raises(RelayFailed):
        await caller.post(message)
    await store.controllers.free(NAME)
    with pytest.raises(RelayFailed, match="planner was asked in s"):
        await caller.post(message)
    assert await store.narrator.last_seq("s") == 2


async def test_what_was_left_open_is_relayed_by_who_gets_it_again(
    desk: NarratorDesk, store: Store, fake: FakeRelay
) -> None:
    """The process that had it before is gone."""
    await store.controllers.take(NAME)
    desk.relay = FakeRelay([Closing("restarts")])
    message = asked(conversation_id="s", message_id="m1")
    with pytest.raises(Closing):
        await narrator(desk, store).post(message)
    desk.relay = fake
    event, answer = await narrator(desk, store).post(message)
    assert (event.seq, answer.message) == (1, "All is well.")
    assert fake.asked[0].event_id == event.event_id


async def test_the_relay_is_told_all_of_the_message(desk: NarratorDesk, store: Store, fake: FakeRelay) -> None:
    event, _ = await narrator(desk, store, Reach("alice")).post(asked(workspace_id="demo", controller="boss"))
    (message,) = fake.asked
    assert (message.event_id, message.conversation_id) == (event.event_id, event.session_id)
    assert (message.workspace_id, message.message, message.controller) == ("demo", "What is new?", "boss")
    assert (message.epoch, message.key_name) == (None, "alice")


@pytest.mark.usefixtures("fake")
async def test_all_processes_are_told_of_the_message_and_of_the_answer(
    desk: NarratorDesk, store: Store, connection: FakeConnection
) -> None:
    await narrator(desk, store).post(asked(conversation_id="s"))
    told = [connection.fake.sent.get_nowait() for _ in range(connection.fake.sent.qsize())]
    assert [decode_message(body).session_id for _, body in told] == ["s", "s"]


@pytest.mark.usefixtures("fake")
async def test_what_is_too_long_is_refused(desk: NarratorDesk, store: Store) -> None:
    with pytest.raises(TooLarge):
        await narrator(desk, store).post(asked("a" * (MAX_CHARS + 1), conversation_id="s"))
    assert await store.narrator.last_seq("s") == 0


async def test_a_process_that_stops_takes_nothing_more(desk: NarratorDesk, store: Store, fake: FakeRelay) -> None:
    desk.close()
    with pytest.raises(Closing):
        await narrator(desk, store).post(asked(conversation_id="s"))
    assert (await store.narrator.last_seq("s"), fake.asked) == (0, [])
