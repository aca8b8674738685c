"""The token in a `stream_url` opens that turn's stream for a while, and nothing else."""

import json

import pytest

from api.access.stream_tokens import StreamTokens
from core.model.keys import TurnKey
from tests.client import Client, new_session, numbered
from tests.integration.conftest import ALICE, BOB, GUARDED_TOKENS, Guarded, assert_problem

pytestmark = pytest.mark.anyio


async def test_a_token_opens_its_stream_on_any_process(guarded: Guarded, alice: Client) -> None:
    asked = await alice.ask()
    url = asked.json()["stream_url"]
    assert "token" not in asked.headers["location"]
    for api in guarded.apis:
        async with Client(api.url) as stranger:
            events = await stranger.http.get(url)
            chunks = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
            assert "".join(event.get("chunk", "") for event in chunks) == numbered(GUARDED_TOKENS)
            last_id = [line[4:] for line in events.text.splitlines() if line.startswith("id: ")][-1]
            assert (await stranger.http.get(url, headers={"Last-Event-ID": last_id})).status_code == 204


async def test_a_token_opens_nothing_else(alice: Client, bob: Client, stranger: Client) -> None:
    session = new_session()
    for _ in range(2):
        asked = await alice.ask(session_id=session, model="mock?tokens=1")
        await alice.until(session, "done", number=asked.json()["turn"])
    other = (await alice.ask(model="mock?tokens=1")).json()["session_id"]
    path, _, token = asked.json()["stream_url"].partition("?turn=2&token=")

    for url in (f"{path}?turn=1", f"/stream/{other}?turn=1", f"{path}?turn=1&turn=2", f"{path}?"):
        problem = assert_problem(await stranger.http.get(f"{url}&token={token}"), 401, "unauthorized")
        assert "another turn" in problem["detail"]
    for route in (f"/sessions/{session}", "/sessions", "/test", f"/chat/{session}/cancel", "/openapi.json"):
        assert_problem(await stranger.http.get(f"{route}?turn=2&token={token}"), 401, "unauthorized")
    assert (await stranger.http.get(f"{path}?turn=2&token={token}")).status_code == 200


async def test_a_forged_token_is_refused(alice: Client, stranger: Client) -> None:
    session = new_session()
    await alice.ask(session_id=session, model="mock?tokens=1")
    key = TurnKey(session, 1)
    guess = StreamTokens({"alice": "alice-0000000000"}, 900).sign("alice", key)
    problem = assert_problem(await stranger.http.get(f"/stream/{session}?turn=1&token={guess}"), 401, "unauthorized")
    assert "not one of ours" in problem["detail"]
    bobs = StreamTokens({"bob": BOB}, 900).sign("bob", key)  # rightly signed, but the session is out of his reach
    assert_problem(await stranger.http.get(f"/stream/{session}?turn=1&token={bobs}"), 404, "not_found")


async def test_an_expired_token_is_refused(guarded: Guarded, stranger: Client) -> None:
    brief = guarded.stack.start_api(STREAM_TOKEN_SECONDS="1")
    async with Client(brief.url, ALICE) as asker:
        url = (await asker.ask(model="mock?tokens=1")).json()["stream_url"]
        while (response := await stranger.http.get(url)).status_code == 200:
            pass  # each answer comes after the turn's end: this takes as long as the token lives
    problem = assert_problem(response, 401, "unauthorized")
    assert "expired" in problem["detail"]


async def test_a_key_that_is_taken_away_takes_its_tokens_along(guarded: Guarded, alice: Client) -> None:
    url = (await alice.ask(model="mock?tokens=1")).json()["stream_url"]
    later = guarded.stack.start_api(API_KEYS=f"bob:{BOB}")
    for key in (None, ALICE):
        async with Client(later.url, key) as client:
            assert_problem(await client.http.get(url), 401, "unauthorized")
