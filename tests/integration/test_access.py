"""With keys: every route asks for one, and what belongs to one key does not exist for another.

The routes come from the OpenAPI document, so that a new one is tested as soon as it is there.
"""

import json
import subprocess
import sys
from typing import Any, NamedTuple

import httpx
import pytest

from tests.client import Client, get, new_session, numbered, text_of
from tests.integration.conftest import ALICE, GUARDED_TOKENS, KEYS, Guarded, assert_problem
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.anyio

OF_OTHER_THINGS = ("/agents/", "/controllers/")
"""Paths that name no session; tests of their own say whose those are."""
OPEN = {("GET", "/health"), ("GET", "/healthz"), ("GET", "/ready")}


class Try(NamedTuple):
    """A request to one route; with `session_id` in place of `{session_id}` or in its body."""

    method: str
    path: str
    body: dict[str, Any] | None = None

    async def send(self, client: Client, session_id: str) -> httpx.Response:
        body = None if self.body is None else {**self.body, "session_id": session_id}
        return await client.http.request(self.method, self.path.format(session_id=session_id), json=body)


async def routes(client: Client) -> dict[tuple[str, str], dict[str, Any]]:
    document = (await client.http.get("/openapi.json")).json()
    found = {
        (method.upper(), path): operation | {"document": document}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {("POST", "/chat"), ("GET", "/stream/{session_id}"), ("DELETE", "/sessions/{session_id}")} <= found.keys()
    return found


def body_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    """The first example of the body's schema."""
    if "requestBody" not in operation:
        return None
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = operation["document"]["components"]["schemas"][reference.rpartition("/")[2]]
    if "session_id" not in schema["properties"]:
        return None
    example: dict[str, Any] = schema["examples"][0]
    return example


async def tries_at_a_session(client: Client) -> list[Try]:
    """Every route that names a session, and the ways of asking it that lead elsewhere in the code."""
    tries = []
    for (method, path), operation in (await routes(client)).items():
        body = body_of(operation)
        if "{session_id}" not in path and body is None:
            assert "{" not in path or path.startswith(OF_OTHER_THINGS), f"teach this test what {path} is about"
            continue
        tries.append(Try(method, path, body))
        if path == "/stream/{session_id}":
            queries = ("turn=1", "turn=2", "last_event_id=1.1.0", "last_event_id=1.1.999999", "turn=1&token=x")
            tries += [Try(method, f"{path}?{query}") for query in queries]
        if path == "/chat":
            more = ({"replaces": 1}, {"mode": "direct"}, {"mode": "direct", "replaces": 1})
            tries += [Try(method, path, {**(body or {}), **fields}) for fields in more]
    return tries


async def test_every_route_asks_for_a_key(alice: Client, stranger: Client) -> None:
    every = set(await routes(alice)) | {("GET", path) for path in ("/docs", "/openapi.json", "/nowhere", "/redoc")}
    for method, path in sorted(every - OPEN):
        for authorization in (None, "Bearer wrong-key-0123456789", f"Basic {ALICE}", "Bearer"):
            headers = {"Authorization": authorization} if authorization else {}
            response = await stranger.http.request(
                method, path.format(session_id="s", agent_id="a", name="c"), headers=headers, content=b"{"
            )
            assert_problem(response, 401, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"


async def test_the_document_says_which_routes_need_a_key(alice: Client) -> None:
    for route, operation in (await routes(alice)).items():
        assert ("401" in operation["responses"]) is (route not in OPEN), route
        assert ("security" in operation) is (route not in OPEN), route


async def test_what_is_open_tells_a_stranger_little(alice: Client, stranger: Client) -> None:
    for path in ("/", "/assets/app.js", "/ready"):
        assert (await stranger.http.get(path)).status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong-key-0123456789"}):
        health = await stranger.http.get("/health", headers=headers)
        assert (health.status_code, health.json()) == (200, {"status": "ok", "broker": "up", "store": "up"})
    assert (await alice.http.get("/health")).json()["workers"] == 1


@pytest.mark.parametrize("state", ["done", "running", "direct"])
async def test_what_is_anothers_does_not_exist(alice: Client, bob: Client, state: str) -> None:
    session = new_session()
    message = f"only alice may read {session}"
    fields: dict[str, str] = {"done": {"model": "mock?tokens=3"}, "running": {}, "direct": {"mode": "direct"}}[state]
    async with alice.ask_streaming(message, accept="text/event-stream", session_id=session, **fields) as stream:
        await stream.read_until("done" if state == "done" else "chunk")
        await assert_does_not_exist(bob, session)
        await stream.rest()
    assert text_of(stream.seen) == numbered(3 if state == "done" else GUARDED_TOKENS)
    (turn,) = (await alice.show(session))["turns"]
    assert (turn["status"], turn["finish_reason"], turn["message"]) == ("done", "stop", message)


async def assert_does_not_exist(bob: Client, session: str) -> None:
    """In no route: word for word the answers that an unknown session gets."""
    unknown = new_session()
    no_such_session = (await bob.http.get(f"/sessions/{unknown}")).json()["detail"]
    for attempt in await tries_at_a_session(bob):
        answer = await attempt.send(bob, session)
        problem = assert_problem(answer, 404, "not_found")
        if attempt.body is None:
            same = assert_problem(await attempt.send(bob, unknown), 404, "not_found")
        else:  # an unknown session would be made
            same = problem | {"detail": no_such_session}
        text = json.dumps(same | {"request_id": problem["request_id"]})
        assert problem == json.loads(text.replace(unknown, session))

    assert session not in (await bob.http.get("/sessions?limit=500")).text


async def test_each_key_has_its_own_list(alice: Client, bob: Client) -> None:
    mine = {key: new_session() for key in ("alice", "bob")}
    for client, session in ((alice, mine["alice"]), (bob, mine["bob"])):
        await client.ask(session_id=session, model="mock?tokens=1")
        await client.until(session, "done")
    for client, key, other in ((alice, "alice", "bob"), (bob, "bob", "alice")):
        listed = {entry["session_id"] for entry in (await client.http.get("/sessions?limit=500")).json()["sessions"]}
        assert mine[key] in listed
        assert mine[other] not in listed


async def test_one_of_two_keys_gets_a_name_that_both_want(alice: Client, bob: Client) -> None:
    session = new_session()
    statuses = [(await client.ask(session_id=session, model="mock?tokens=1")).status_code for client in (bob, alice)]
    assert statuses == [202, 404]
    await bob.until(session, "done")
    assert (await bob.http.delete(f"/sessions/{session}")).status_code == 204
    assert (await alice.ask(session_id=session, model="mock?tokens=1")).status_code == 202


async def test_a_new_key_of_the_same_name_keeps_the_sessions(guarded: Guarded, alice: Client) -> None:
    session = (await alice.ask(model="mock?tokens=1")).json()["session_id"]
    later = guarded.stack.start_api(API_KEYS="alice:another-key-of-alice")
    async with Client(later.url, "another-key-of-alice") as client:
        await client.show(session)


async def test_what_was_made_while_open_is_nobodys(stack: Stack) -> None:
    unguarded, keyed_api = stack.start_api(), stack.start_api(API_KEYS=KEYS)
    assert "no API_KEYS" in unguarded.output()
    assert "no API_KEYS" not in keyed_api.output()
    before, during = new_session(), new_session()
    async with Client(unguarded.url) as everybody, Client(keyed_api.url, ALICE) as keyed:
        await everybody.ask(session_id=before, mode="direct", model="mock?tokens=1")
        for attempt in await tries_at_a_session(keyed):
            assert_problem(await attempt.send(keyed, before), 404, "not_found")
        assert (await keyed.http.get("/sessions")).json() == {"sessions": []}
        await keyed.ask(session_id=during, mode="direct", model="mock?tokens=1")
        assert (await keyed.http.get(f"/sessions/{during}")).status_code == 200
        listed = (await everybody.http.get("/sessions")).json()["sessions"]
        assert {entry["session_id"] for entry in listed} == {before, during}


def test_the_smoke_test_and_the_probe_use_the_first_key(guarded: Guarded) -> None:
    port = str(httpx.URL(guarded.apis[0].url).port)

    def run(*arguments: str) -> str:
        script, *details = arguments
        command = [sys.executable, str(ROOT / "deploy/native" / script), *details, "127.0.0.1", port]
        done = subprocess.run(command, env={"API_KEYS": KEYS}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout
        return done.stdout

    assert "FAILED" not in run("smoke.py")
    assert run("probe.py", "health").split()[:3] == ["ok", "openai", "1"]


def test_production_needs_keys(stack: Stack) -> None:
    """One line, no traceback, and a status that says that it failed."""
    with pytest.raises(AssertionError, match="did not come up"):
        stack.start_api(ENV="production")
    refused = stack.processes[-1]
    assert refused.exit_code == 1
    assert refused.output() == "API_KEYS: with ENV=production the API needs at least one name:key pair\n"
    assert get(f"{stack.start_api(ENV='production', API_KEYS=KEYS).url}/sessions").status_code == 401
