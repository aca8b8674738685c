"""Agents of several API processes: in one folder that people edit as well, or in the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client import Client, get
from tests.integration.conftest import Shared, assert_problem, eventually
from tests.integration.test_agents import REVIEWER, listed, made, put
from tests.stack import Stack
from tests.unit.agents.hand import BY_HAND, Hand

pytestmark = pytest.mark.anyio

ROUNDS = 10
AT_ONCE = 8


@pytest.fixture
async def hand(shared: Shared) -> AsyncIterator[Hand]:
    hand = Hand(shared.stack.home / "data" / "agents")
    hand.write()
    yield hand
    hand.remove()


async def race(agent_id: str, seen: str, *clients: Client) -> None:
    """Changes of what was seen, all at once: one is made, and the others are told that they came too late."""
    for number in range(ROUNDS):
        names = [f"{number} {n}" for n in range(AT_ONCE)]
        answers = await asyncio.gather(
            *(put(clients[n % len(clients)], agent_id, {"If-Match": seen}, name=name) for n, name in enumerate(names))
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: AT_ONCE - 1}
        (winner,) = [answer for answer in answers if answer.status_code == 200]
        for client in clients:
            shown = await client.http.get(f"/agents/{agent_id}")
            assert (shown.json(), shown.headers["etag"]) == (winner.json(), winner.headers["etag"])
        seen = winner.headers["etag"]


async def test_of_changes_at_two_processes_one_is_made(client: Client, other_client: Client) -> None:
    agent = await made(client)
    await race(agent["id"], agent["etag"], client, other_client)


async def test_an_edit_by_hand_is_seen_at_once_everywhere(client: Client, other_client: Client, hand: Hand) -> None:
    for number in range(5):
        hand.replace(BY_HAND.replace("By hand", f"Edit {number}"))
        for one in (client, other_client):
            assert (await one.http.get("/agents/by-hand")).json()["name"] == f"Edit {number}"
            assert (await listed(one))["by-hand"]["name"] == f"Edit {number}"
    changed = await put(client, "by-hand", system_prompt="You are new.\n")
    assert changed.json()["editable"] is True
    assert hand.read() == "---\nname: Edit 4 # mine\nmood: calm\n---\nYou are new.\n"


async def test_a_file_that_cannot_be_read_is_told_to_whom_asks_for_it(
    client: Client, shared: Shared, hand: Hand
) -> None:
    hand.replace(BY_HAND.replace("By hand", "[my secret"))
    assert "by-hand" not in await listed(client)
    for response in (
        await client.http.get("/agents/by-hand"),
        await put(client, "by-hand", **REVIEWER),
        await client.http.delete("/agents/by-hand"),
        await client.ask(agent_id="by-hand"),
    ):
        problem = assert_problem(response, 409, "agent_unreadable")
        assert "'by-hand' cannot be read: line 3: is not valid YAML" in problem["detail"]
        assert "secret" not in response.text
    log = shared.apis[0].output
    await eventually(lambda: "file=by-hand.md" in log())
    assert log().count("agents.unreadable") == 1
    assert "my secret" not in log()
    hand.replace(BY_HAND)
    assert "by-hand" in await listed(client)


async def test_processes_that_start_together_make_the_usual_agents_once(stack: Stack) -> None:
    apis = [stack.launch_api() for _ in range(3)]
    hand = Hand(stack.home / "data" / "agents")
    await eventually(lambda: all("Application startup complete" in api.output() for api in apis))
    await eventually(lambda: sum(api.output().count("agents.defaults") for api in apis) == 1)
    assert hand.names() == ["planner.md", "researcher.md"]
    assert all(api.alive for api in apis)


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """Where there is to be a folder is a file."""
    return Hand(tmp_path).write(name="agents")


async def test_a_folder_that_cannot_be_written_to_is_served_without(stack: Stack, no_folder: Path) -> None:
    api = stack.start_api(AGENTS_DIR=str(no_folder))
    async with Client(api.url) as client:
        problem = assert_problem(await put(client, "a", **REVIEWER), 503, "agents_not_writable")
        assert "AGENTS_DIR" in problem["detail"]
        assert str(no_folder) not in problem["detail"]
        assert_problem(await client.http.get("/agents"), 503, "agents_not_readable")
        await eventually(lambda: get(f"{api.url}/ready").status_code == 200)
        await eventually(lambda: str(no_folder) in api.output())


async def test_the_database_keeps_them_as_well(stack: Stack) -> None:
    apis = [stack.start_api(AGENTS_STORE="database") for _ in range(2)]
    async with Client(apis[0].url) as client, Client(apis[1].url) as other_client:
        agent = await made(client)
        await race(agent["id"], agent["etag"], client, other_client)
        assert (await other_client.http.delete(f"/agents/{agent['id']}")).status_code == 204
        assert (await listed(client)).keys() == {"planner", "researcher"}
    assert Hand(stack.home / "data" / "agents").names() == []
