"""With API keys: an agent belongs to the key that made it, and those without an owner are the operator's."""

from typing import Any

import pytest

from tests.client import Client, new_session
from tests.integration.conftest import Guarded, assert_problem
from tests.integration.test_agents import REVIEWER, listed, made, new_id, put
from tests.unit.agents.hand import Hand

pytestmark = pytest.mark.anyio


def path_of(agent: dict[str, Any]) -> str:
    return f"/agents/{agent['id']}"


async def test_an_agent_is_its_key_s(alice: Client, bob: Client, guarded: Guarded) -> None:
    agent = await made(alice)
    assert (agent["owner"], agent["editable"]) == ("alice", True)
    assert "\nowner: alice\n" in Hand(guarded.stack.home / "data" / "agents").read(f"{agent['id']}.md")
    assert agent["id"] in await listed(alice)
    assert agent["id"] not in await listed(bob)
    for agent_id in (agent["id"], new_id()):  # it is as if there were none
        for method in ("GET", "DELETE"):
            problem = assert_problem(await bob.http.request(method, f"/agents/{agent_id}"), 404, "not_found")
            assert problem["detail"] == f"there is no agent {agent_id!r}"
    for headers in ({}, {"If-None-Match": "*"}, {"If-Match": agent["etag"]}):
        taken = assert_problem(await put(bob, agent["id"], headers, **REVIEWER), 403, "agent_not_yours")
        assert "taken" in taken["detail"]
    assert (await put(alice, agent["id"], name="Mine")).json()["name"] == "Mine"
    assert (await alice.http.delete(path_of(agent))).status_code == 204


async def test_the_operator_s_are_for_all_and_nobody_changes_them(alice: Client, bob: Client, guarded: Guarded) -> None:
    for client in (alice, bob):
        agent = (await listed(client))["planner"]
        assert (agent["owner"], agent["editable"]) == (None, False)
        refused = [await put(client, "planner", name="Mine"), await client.http.delete("/agents/planner")]
        for response in refused:
            problem = assert_problem(response, 403, "agent_not_yours")
            assert "under another id" in problem["detail"]
    own = await made(alice)
    hand, name = Hand(guarded.stack.home / "data" / "agents"), f"{own['id']}.md"
    hand.write(hand.read(name).replace("owner: alice\n", ""), name)  # the operator takes it over
    shown = (await bob.http.get(path_of(own))).json()
    assert (shown["owner"], shown["editable"]) == (None, False)
    assert_problem(await put(alice, own["id"], name="Mine"), 403, "agent_not_yours")


async def test_what_an_answer_says_of_its_owner_changes_nobody_s_rights(alice: Client, bob: Client) -> None:
    agent = await made(alice)
    assert (await put(alice, agent["id"], **{**agent, "owner": "bob", "name": "x"})).json()["owner"] == "alice"
    assert_problem(await bob.http.get(path_of(agent)), 404, "not_found")


async def test_a_stranger_sees_none(stranger: Client) -> None:
    for method, path in (("GET", "/agents"), ("GET", "/agents/planner"), ("PUT", "/agents/a"), ("DELETE", "/agents/a")):
        assert_problem(await stranger.http.request(method, path), 401, "unauthorized")


async def test_another_s_agent_answers_nobody_else(alice: Client, bob: Client) -> None:
    agent = await made(alice)
    session = new_session()
    refused = await bob.ask(session_id=session, agent_id=agent["id"])
    assert agent["id"] in assert_problem(refused, 404, "not_found")["detail"]
    assert_problem(await bob.http.get(f"/sessions/{session}"), 404, "not_found")
    for client, agent_id in ((alice, agent["id"]), (bob, "planner")):
        assert (await client.ask(agent_id=agent_id, model="mock?tokens=1")).status_code == 202


async def test_without_keys_everything_is_everybody_s(alice: Client, guarded: Guarded) -> None:
    agent = await made(alice)
    unguarded = guarded.stack.start_api(API_KEYS="")
    async with Client(unguarded.url) as everybody:
        assert (await listed(everybody))[agent["id"]]["editable"] is True
        assert (await put(everybody, agent["id"], name="x")).json()["owner"] == "alice"
        nobody_s = await made(everybody)
        assert nobody_s["owner"] is None
        assert (await listed(alice))[nobody_s["id"]]["editable"] is False
        for each in (agent, nobody_s):
            assert (await everybody.http.delete(path_of(each))).status_code == 204
