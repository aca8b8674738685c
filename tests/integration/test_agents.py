"""GET /agents and GET, PUT and DELETE /agents/{id}, at two API processes that share a folder."""

import json
import secrets
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from core.agents.defaults import DEFAULT_AGENTS
from tests.client import Client
from tests.integration.conftest import Shared, assert_problem, eventually
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api

pytestmark = pytest.mark.anyio

REVIEWER: dict[str, Any] = {
    "name": "Reviewer",
    "system_prompt": "You are Reviewer, a precise PR reviewer.",
    "markdown_context": "- Keep responses focused on regressions.\n",
}
"""As the TypeScript client's first example has it."""
JSON = {"Content-Type": "application/json"}


def new_id() -> str:
    return f"agent-{secrets.token_hex(6)}"


async def put(client: Client, agent_id: str, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    return await client.http.put(f"/agents/{agent_id}", json=members, headers=headers)


async def made(client: Client, **members: Any) -> dict[str, Any]:
    response = await put(client, new_id(), **{**REVIEWER, **members})
    assert response.status_code == 201, response.text
    agent: dict[str, Any] = response.json()
    return agent


async def listed(client: Client) -> dict[str, Any]:
    return {agent["id"]: agent for agent in (await client.http.get("/agents")).json()["agents"]}


async def test_an_agent_is_made_shown_listed_and_deleted(client: Client, other_client: Client) -> None:
    agent_id = new_id()
    created = await put(client, agent_id, id=agent_id, **REVIEWER)
    agent = created.json()
    assert (created.status_code, created.headers["location"]) == (201, f"/agents/{agent_id}")
    assert created.headers["etag"] == agent["etag"]
    assert agent == {
        "id": agent_id,
        **REVIEWER,
        "model": None,
        "options": {},
        "tools": [],
        "owner": None,
        "editable": True,
        "etag": agent["etag"],
    }
    for one in (client, other_client):
        shown = await one.http.get(created.headers["location"])
        assert (shown.status_code, shown.json(), shown.headers["etag"]) == (200, agent, agent["etag"])
        assert (await listed(one))[agent_id] == agent
    deleted = await other_client.http.delete(f"/agents/{agent_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "DELETE"):
        assert_problem(await client.http.request(method, f"/agents/{agent_id}"), 404, "not_found")
    assert agent_id not in await listed(client)


async def test_what_is_put_changes_that_alone(client: Client, other_client: Client) -> None:
    agent = await made(
        client, model="mock", options={"temperature": 1, "stop": "x"}, tools=["current_time", "calculator"]
    )
    changed = await put(other_client, agent["id"], system_prompt="You are another.")
    assert (changed.status_code, "location" in changed.headers) == (200, False)
    etag = changed.headers["etag"]
    assert changed.json() == {**agent, "system_prompt": "You are another.", "etag": etag} != agent
    cleared = await put(client, agent["id"], model=None, options=None, tools=None, markdown_context=None)
    for member, value in (("model", None), ("options", {}), ("tools", []), ("markdown_context", "")):
        assert cleared.json()[member] == value
    again = await put(client, agent["id"], **cleared.json())
    assert again.json() == cleared.json()


async def test_there_are_two_to_begin_with(client: Client) -> None:
    usual = {agent.id for agent in DEFAULT_AGENTS}
    assert usual == {"planner", "researcher"}
    for agent_id in usual:
        agent = (await client.http.get(f"/agents/{agent_id}")).json()
        assert agent["system_prompt"].startswith(f"You are {agent['name']}.")


async def test_a_change_may_ask_for_what_was_seen(client: Client, other_client: Client) -> None:
    agent = await made(client)
    seen = agent["etag"]
    changed = await put(client, agent["id"], {"If-Match": f'"x", {seen}'}, name="B")
    assert changed.status_code == 200
    for tag in (seen, f"W/{changed.headers['etag']}", changed.json()["etag"].strip('"'), '"x"', ""):
        for method, body in (("PUT", json.dumps({"name": "lost"})), ("DELETE", None)):
            refused = await other_client.http.request(
                method, f"/agents/{agent['id']}", content=body, headers={**JSON, "If-Match": tag}
            )
            assert_problem(refused, 412, "precondition_failed")
    assert (await put(client, agent["id"], {"If-Match": "*"}, name="C")).json()["name"] == "C"
    tags = [("If-Match", '"x"'), ("If-Match", (await listed(client))[agent["id"]]["etag"])]
    assert (await client.http.request("DELETE", f"/agents/{agent['id']}", headers=tags)).status_code == 204
    assert_problem(await put(client, agent["id"], {"If-Match": "*"}, **REVIEWER), 412, "precondition_failed")


async def test_one_may_be_made_only_where_there_is_none(client: Client, other_client: Client) -> None:
    agent_id, only_new = new_id(), {"If-None-Match": "*"}
    assert (await put(client, agent_id, only_new, **REVIEWER)).status_code == 201
    assert_problem(await put(other_client, agent_id, only_new, **REVIEWER), 412, "precondition_failed")
    refused = await put(client, agent_id, {"If-None-Match": '"x"'}, **REVIEWER)
    assert_problem(refused, 422, "invalid_input", field="If-None-Match")


async def test_who_has_it_need_not_get_it_again(client: Client) -> None:
    agent = await made(client)
    path, etag = f"/agents/{agent['id']}", agent["etag"]
    for tag in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        kept = await client.http.get(path, headers={"If-None-Match": tag})
        assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", etag)
    for tag in ('"x"', etag.strip('"')):
        assert (await client.http.get(path, headers={"If-None-Match": tag})).status_code == 200
    head = await client.http.head(path)
    assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"system_prompt": " "}, "system_prompt"),
        ({"model": "a b"}, "model"),
        ({"options": {"maxNewTokens": 1}}, "options.maxNewTokens"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"tools": ["a b"]}, "tools.0"),
        ({"prompt": "x"}, "prompt"),
        ({"systemPrompt": "x"}, "systemPrompt"),
    ],
    ids=str,
)
async def test_a_wrong_member_is_named(client: Client, members: dict[str, Any], field: str) -> None:
    agent_id = new_id()
    assert_problem(await put(client, agent_id, **{**REVIEWER, **members}), 422, "invalid_input", field=field)
    assert_problem(await client.http.get(f"/agents/{agent_id}"), 404, "not_found")


@pytest.mark.parametrize(
    ("members", "field"),
    [({"name": "A"}, "system_prompt"), ({"system_prompt": "You are A."}, "name"), ({**REVIEWER, "id": "other"}, "id")],
    ids=str,
)
async def test_what_can_be_no_new_agent(client: Client, members: dict[str, Any], field: str) -> None:
    agent_id = new_id()
    assert_problem(await put(client, agent_id, **members), 422, "invalid_agent", field=field)
    assert_problem(await client.http.get(f"/agents/{agent_id}"), 404, "not_found")


async def test_the_longest_agent_fits_and_a_longer_one_does_not(client: Client) -> None:
    """Written in the longest way that JSON has."""
    longest = {"name": "😀" * 200, "system_prompt": "😀" * 32_000, "markdown_context": "😀" * 100_000}
    agent_id = new_id()
    body = json.dumps(longest)
    assert len(body) > 132_200 * 12
    created = await client.http.put(f"/agents/{agent_id}", content=body, headers=JSON)
    assert created.status_code == 201
    shown = (await client.http.get(f"/agents/{agent_id}")).json()
    assert {member: shown[member] for member in longest} == longest
    for member in longest:
        longer: dict[str, Any] = {member: longest[member] + "x"}
        assert_problem(await put(client, agent_id, **longer), 422, "invalid_input", field=member)
    assert_problem(await client.http.put("/agents/a", content=b"x" * 1_700_000, headers=JSON), 413, "too_large")
    await client.http.delete(f"/agents/{agent_id}")


TRAVERSALS = (
    "..",
    "%2e%2e",
    "../../../etc/passwd",
    "..%2f..%2fsecret",
    "%2e%2e%2fsecret",
    "..%5csecret",
    "..\\secret",
    "%252e%252e%252fsecret",
    "..%c0%afsecret",
    "..%ef%bc%8fsecret",
    "%00secret",
    "secret%00",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "planner.md",
    "planner%2f..%2fsecret",
    ".new",
    "~root",
    "%24%7bx%7d",
    "PLANNER",
    "x" * 65,
)


def send(api: Api, method: str, path: str, body: str | None) -> tuple[int, str]:
    """The path as it is, which other clients tidy up."""
    with closing(HTTPConnection(api.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)) as connection:
        connection.request(method, path, body, JSON)
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_the_folder(shared: Shared, path: str) -> None:
    text = "---\nname: S\n---\nsecret\n"
    secret = shared.stack.home / "data" / "secret.md"
    secret.write_text(text)
    before = sorted(shared.stack.home.rglob("*.md"))
    for method, body in (("GET", None), ("PUT", json.dumps(REVIEWER)), ("DELETE", None)):
        status, answer = send(shared.apis[0], method, f"/agents/{path}", body)
        assert status in (400, 404, 405, 422), answer
        assert "root:" not in answer
        assert "You are" not in answer
    assert sorted(shared.stack.home.rglob("*.md")) == before
    assert secret.read_text() == text


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
async def test_they_are_told_as_json(client: Client, accept: str | None) -> None:
    request = client.http.build_request("GET", "/agents", headers={"Accept": accept or ""})
    if accept is None:
        del request.headers["accept"]
    response = await client.http.send(request)
    assert response.headers["content-type"] == "application/json"
    assert {"planner", "researcher"} <= {agent["id"] for agent in response.json()["agents"]}


async def test_pages_of_other_origins_may_change_agents(client: Client) -> None:
    asked = {
        "Origin": "https://chat.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "if-match, content-type",
    }
    preflight = await client.http.options("/agents/a", headers=asked)
    assert (preflight.status_code, "PUT" in preflight.headers["access-control-allow-methods"]) == (200, True)
    shown = await client.http.get("/agents/planner", headers={"Origin": "https://chat.example"})
    assert "ETag" in shown.headers["access-control-expose-headers"]


async def test_a_method_that_there_is_not_is_told_with_those_that_there_are(client: Client) -> None:
    for path, allowed in (("/agents", "GET"), ("/agents/a", "GET, PUT, DELETE")):
        response = await client.http.post(path)
        assert_problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allowed


async def test_health_has_another_name(client: Client) -> None:
    health, healthz = [(await client.http.get(path)).json() for path in ("/health", "/healthz")]
    assert health.keys() == healthz.keys()
    assert healthz["status"] == "ok"


async def test_what_was_done_is_in_the_log(client: Client, shared: Shared) -> None:
    agent = await made(client, system_prompt="a secret prompt")
    await client.http.delete(f"/agents/{agent['id']}")
    log = shared.apis[0].output
    await eventually(lambda: f"agent={agent['id']}" in log() and "agents.put" in log() and "agents.delete" in log())
    assert "secret prompt" not in log()
