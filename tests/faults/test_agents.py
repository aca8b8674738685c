"""Sixty conversations with an agent whose tools count their calls, while everything around them is killed, frozen,
deployed and cut off: no text, step or finished call is lost or repeated, and every message is answered once."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.client import numbered
from tests.conversing import Screen, Talk
from tests.counting_tool import FILE, read_counts
from tests.faults.broker import Broker, Node
from tests.faults.faults import ApiKilled, ConnectionsClosed, Fault, RollingRestart, WorkerFrozen, WorkerKilled
from tests.faults.system import System
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.postgres import Postgres
from tests.stack import BROKER

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1800)]

TALKS = 60
STEPS, CALLS, TOKENS = 2, 2, 15
MODEL = f"mock?tokens={TOKENS}&rate=15&tools={CALLS}&steps={STEPS}"
ANSWER = numbered(TOKENS * (STEPS + 1))
SECONDS = 600.0
"""For one answer, through whatever happens."""
FAULTS: tuple[type[Fault], ...] = (WorkerKilled, WorkerFrozen, ApiKilled, ConnectionsClosed, RollingRestart)
TOOLS = '[tools.note]\npython = "tests.counting_tool:note"\n'
SEED = 1
RABBITMQCTL = os.environ.get("HOPSTREAM_TEST_RABBITMQCTL", "")


@pytest.fixture
def broker() -> Iterator[Broker]:
    require(RABBITMQCTL, "no RabbitMQ that may be broken: HOPSTREAM_TEST_RABBITMQCTL is not set")
    with Broker([Node(BROKER, RABBITMQCTL)]) as broker:
        yield broker


@pytest.fixture
async def system(broker: Broker, postgres: Postgres, tmp_path: Path) -> AsyncIterator[System]:
    (tmp_path / "tools.toml").write_text(TOOLS)
    settings = {
        FILE: str(tmp_path / "calls"),
        "TOOLS_FILE": str(tmp_path / "tools.toml"),
        "AGENTS_DIR": str(tmp_path / "agents"),
    }
    database = postgres.new_database()
    with System(tmp_path, broker, database=database, grace=1, seed=SEED, settings=settings) as system:
        await system.start(apis=2, workers=3, concurrency=TALKS)
        agent = {"name": "Clerk", "system_prompt": "You note things.", "model": MODEL, "tools": ["note"]}
        async with httpx.AsyncClient(base_url=system.apis[0].url, timeout=PATIENCE_SECONDS) as http:
            response = await http.put("/agents/clerk", json=agent)
            assert response.status_code == 201, response.text
        yield system


async def test_nothing_is_lost_or_repeated(system: System, tmp_path: Path) -> None:
    over = asyncio.Event()
    talks = [Talk(lambda: [api.url for api in system.apis], "clerk", asks_again=True) for _ in range(TALKS)]
    async with asyncio.TaskGroup() as work:
        people = [work.create_task(_person(talk, over)) for talk in talks]
        for fault in FAULTS:
            await _all_have_asked(talks)
            await fault().strike(system)
        await _all_have_asked(talks)
        over.set()
    screens = [screen for person in people for screen in person.result()]
    assert system.misbehaved() == []
    assert any(screen.restarts for screen in screens), "no fault has struck anything"
    for screen in screens:
        _check(screen)
    counts = read_counts(tmp_path / "calls")
    assert [key for key, begun in counts.begun.items() if begun > 1] == []
    async with httpx.AsyncClient(base_url=system.apis[0].url, timeout=PATIENCE_SECONDS) as http:
        for talk in talks:
            turns = (await http.get(f"/sessions/{talk.conversation_id}")).json()["turns"]
            assert [turn["status"] for turn in turns] == ["done"] * len(talk.turns)
            assert sorted(talk.turns.values()) == [turn["turn"] for turn in turns]
            for turn in turns:
                screen = talk.screens[turn["turn"]]
                assert (turn["text"], turn["steps"]) == (screen.text, STEPS + 1)
                told = {call["id"]: call["result"] for call in turn["tool_calls"]}
                assert told == {call_id: call["result"]["output"] for call_id, call in screen.calls.items()}
    for screen in screens:
        for call in screen.calls.values():
            if not call["result"].get("inDoubt"):
                key = call["result"]["output"].rpartition(" by ")[2]
                assert counts.done[key] == 1, call


async def _person(talk: Talk, over: asyncio.Event) -> list[Screen]:
    """Asks again and again, with the next message sent while the one before it is answered."""
    async with talk:
        asked = [await talk.say("note this")]
        screens = []
        while asked:
            if not over.is_set():
                asked.append(await talk.say("and this"))
            screens.append(await talk.answer(asked.pop(0), SECONDS))
        return screens


async def _all_have_asked(talks: list[Talk]) -> None:
    """Each has another answer than before, and one that is on its way."""
    before = [len(talk.screens) for talk in talks]
    for talk, known in zip(talks, before, strict=True):
        await talk.until(lambda talk=talk, known=known: len(talk.screens) > known, SECONDS)  # type: ignore[misc]


def _check(screen: Screen) -> None:
    assert screen.doubled == []
    assert screen.end is not None
    assert (screen.end["type"], screen.end.get("finishReason")) == ("done", "stop"), screen.end
    assert screen.text == ANSWER
    numbers = range(1, STEPS + 2)
    assert screen.steps == [(number, status) for number in numbers for status in ("start", "end")]
    assert len(screen.calls) == STEPS * CALLS
    for call in screen.calls.values():
        assert call["result"]["isError"] is bool(call["result"].get("inDoubt")), call
