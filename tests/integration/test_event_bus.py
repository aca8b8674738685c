"""The event bus: who listens hears of every turn of every process, or of its goal alone if that is what it asked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.broker import topology
from core.bus import listener
from core.bus.listener import BusListener
from core.bus.messages import BusMessage, digest_word
from tests.client import Client, new_session
from tests.integration.conftest import Shared, eventually
from tests.stack import BROKER

pytestmark = pytest.mark.anyio


class Ear:
    """A listener, and what it has heard."""

    def __init__(self, *routing_keys: str) -> None:
        self.messages: list[BusMessage] = []
        self.listener = BusListener(BROKER, self.messages.append, lambda: None, routing_keys or listener.ALL)

    def moments(self, session: str) -> list[tuple[str, int]]:
        return [(message.moment, message.attempt) for message in self.messages if message.session_id == session]


@pytest.fixture
async def ears(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Ear]]:
    """One for everything, one for a goal that nobody has. They listen to the shared stack's exchange."""
    name = f"{shared.stack.prefix}llm.events"
    monkeypatch.setattr(topology, "EVENTS", name)
    monkeypatch.setattr(listener, "EVENTS", name)
    ears = [Ear(), Ear(f"*.{digest_word('another goal')}")]
    for ear in ears:
        ear.listener.start()
    await eventually(lambda: all(ear.listener.up for ear in ears))
    yield ears
    for ear in ears:
        await ear.listener.stop()


async def test_it_tells_a_turn_of_queue_mode_from_its_queue_to_its_end(ears: list[Ear], client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=5")
    await client.read(session)
    await eventually(lambda: ("ended", 1) in ears[0].moments(session))
    assert sorted(ears[0].moments(session)) == sorted([("queued", 0), ("claimed", 1), ("started", 1), ("ended", 1)])
    ended = next(m for m in ears[0].messages if (m.session_id, m.moment) == (session, "ended"))
    assert (ended.mode, ended.model, ended.finish_reason, ended.output_tokens) == ("queue", "mock?tokens=5", "stop", 5)
    assert ended.process.startswith("worker-")
    assert ears[1].messages == []


async def test_it_tells_a_turn_of_direct_mode(ears: list[Ear], client: Client) -> None:
    session = new_session()
    answer = await client.ask(session_id=session, mode="direct", model="mock?tokens=5")
    assert answer.status_code == 200
    await eventually(lambda: ("ended", 1) in ears[0].moments(session))
    assert ears[0].moments(session) == [("started", 1), ("ended", 1)]


async def test_it_tells_what_a_turn_belongs_to(ears: list[Ear], client: Client) -> None:
    """And tells who listens to that goal alone."""
    labels: dict[str, Any] = {"work_item_id": "w", "run_id": "r", "metadata": {"team": "é"}}
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=5", goal_id="another goal", **labels)
    await client.read(session)
    await eventually(lambda: {("queued", 0), ("ended", 1)} <= {*ears[1].moments(session)})
    assert len(ears[1].messages) == 4
    for message in ears[1].messages:
        assert {name: getattr(message, name) for name in labels} == labels
