"""Turns that an agent answers, in either mode: by what it was when it was asked."""

import sqlite3
from contextlib import closing
from typing import Any

import anyio
import pytest

from core.turns.attempts.compatibility import AGENTS_FORMAT
from core.version import FORMAT
from tests.client import POLL_SECONDS, Client, new_session
from tests.integration.conftest import Shared, assert_problem, mock_stats
from tests.integration.test_agents import made, new_id, put
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

SYSTEM = "You are Reviewer, a precise PR reviewer.\n\n- Keep responses focused on regressions."


async def answered(client: Client, shared: Shared, mode: str, session: str, **fields: Any) -> dict[str, Any]:
    """What the model was asked, once it has answered."""
    number = (await client.ask(session_id=session, mode=mode, stream=False, **fields)).json()["turn"]
    await client.until(session, "done", number=number)
    asked: dict[str, Any] = mock_stats(shared.stack)["last_request"]
    return asked


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_its_prompt_model_and_options_are_asked_with(client: Client, shared: Shared, mode: str) -> None:
    agent = await made(client, model="mock?tokens=2", options={"temperature": 0.5, "seed": 7})
    session = new_session()
    asked = await answered(client, shared, mode, session, message="Hi", agent_id=agent["id"])
    assert asked["messages"] == [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hi"}]
    assert asked["model"] == "mock?tokens=2"
    assert (asked["options"]["temperature"], asked["options"]["seed"]) == (0.5, 7)

    own = {"model": "mock?tokens=1", "options": {"temperature": 0}}
    asked = await answered(client, shared, mode, session, agent_id=agent["id"], **own)
    assert (asked["model"], asked["options"]["temperature"]) == ("mock?tokens=1", 0)
    assert asked["options"]["seed"] == 7

    asked = await answered(client, shared, mode, session, model="mock?tokens=1")
    assert asked["messages"][0]["role"] == "user"
    first, second, third = [turn["agent"] for turn in (await client.show(session))["turns"]]
    assert first == second == {"id": agent["id"], "name": "Reviewer", "version": agent["etag"].strip('"')}
    assert third is None


async def test_messages_of_the_caller_s_own_come_after_its_prompt(client: Client, shared: Shared) -> None:
    agent = await made(client)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    body = {"messages": messages, "agent_id": agent["id"], "model": "mock?tokens=1", "stream": False}
    assert (await client.http.post("/chat", json=body)).status_code == 200
    asked = mock_stats(shared.stack)["last_request"]["messages"]
    assert asked == [{"role": "system", "content": SYSTEM}, *messages]


async def test_a_turn_is_answered_by_what_its_agent_was(client: Client, shared: Shared) -> None:
    """Whatever has become of the agent since."""
    agent = await made(client)
    session = new_session()
    model = f"mock?tokens=20&hold_after=5&id={session}"
    await client.ask(session_id=session, agent_id=agent["id"], model=model)
    async with client.stream(session) as stream:
        await stream.read_chars(1)
        await put(client, agent["id"], name="Another", system_prompt="You are another.")
        await client.http.delete(f"/agents/{agent['id']}")
        shared.stack.release(session)
        await stream.rest()
    turn = await client.turn(session)
    assert turn["agent"] == {"id": agent["id"], "name": "Reviewer", "version": agent["etag"].strip('"')}
    with closing(sqlite3.connect(shared.stack.home / "test.db")) as database:
        (stored,) = database.execute("SELECT input FROM turns WHERE session_id = ?", (session,)).fetchone()
    assert "You are Reviewer" in stored


async def test_an_agent_that_there_is_not(client: Client) -> None:
    for mode in ("queue", "direct"):
        session, agent_id = new_session(), new_id()
        problem = assert_problem(await client.ask(session_id=session, mode=mode, agent_id=agent_id), 404, "not_found")
        assert problem["detail"] == f"there is no agent {agent_id!r}"
        assert_problem(await client.http.get(f"/sessions/{session}"), 404, "not_found")
    assert_problem(await client.ask(agent_id="../planner"), 422, "invalid_input", field="agent_id")


async def test_nobody_is_asked_who_would_leave_the_prompt_out(client: Client, shared: Shared) -> None:
    """A worker of an earlier release, which tells so with its heartbeats."""

    def set_format(number: int) -> None:
        with closing(sqlite3.connect(shared.stack.home / "test.db")) as database, database:
            database.execute("UPDATE processes SET format = ? WHERE kind = 'worker'", (number,))

    async def ask(mode: str = "queue", **fields: Any) -> int:
        return (await client.ask(mode=mode, model="mock?tokens=1", **fields)).status_code

    async def until(status: int) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while await ask(agent_id="planner") != status:  # noqa: ASYNC110
                await anyio.sleep(POLL_SECONDS)

    set_format(AGENTS_FORMAT - 1)
    try:
        await until(503)
        refused = await client.ask(agent_id="planner")
        problem = assert_problem(refused, 503, "upgrading")
        assert int(refused.headers["retry-after"]) > 0
        assert "earlier release" in problem["detail"]
        assert [await ask(), await ask("direct", agent_id="planner")] == [202, 200]
    finally:
        set_format(FORMAT)
    await until(202)
