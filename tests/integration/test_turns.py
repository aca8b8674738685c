"""Turns of all sessions: listed, page by page, and found by what they belong to; sessions as well."""

from typing import Any

import pytest

from tests.client import Client, new_session, numbered
from tests.integration.conftest import assert_problem

pytestmark = pytest.mark.anyio

TIMES = ("created_at", "started_at", "claimed_at", "asked_at", "first_token_at", "finished_at")
BAD_QUERIES = [
    ("goal_id=", "goal_id"),
    ("work_item_id=a%00b", "work_item_id"),
    ("run_id=" + "x" * 129, "run_id"),
    ("model=a%20b", "model"),
    ("status=finished", "status.0"),
    ("status=done&status=", "status.1"),
    ("metadata=team", "metadata.0"),
    ("metadata=a:b&metadata=:b", "metadata.1"),
    ("limit=0", "limit"),
    ("limit=501", "limit"),
]
BAD_QUERIES_OF_TURNS = [
    ("session_id=a.b", "session_id"),
    ("before=", "before"),
    ("before=1.1.42", "before"),
    ("before=%C3%A9", "before"),
    ("text_chars=4001", "text_chars"),
]


async def get(client: Client, path: str, **query: Any) -> dict[str, Any]:
    response = await client.http.get(path, params=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def found(client: Client, **query: Any) -> list[str]:
    """The sessions of the turns."""
    return [turn["session_id"] for turn in (await get(client, "/turns", **query))["turns"]]


async def found_sessions(client: Client, **query: Any) -> list[str]:
    return [session["session_id"] for session in (await get(client, "/sessions", **query))["sessions"]]


async def answer(client: Client, message: str = "hello", **fields: Any) -> str:
    """A turn in queue mode or direct mode, to its end."""
    session = new_session()
    response = await client.ask(message, **{"session_id": session, "model": "mock?tokens=3", "stream": False, **fields})
    assert response.status_code == 200, response.text
    return session


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_a_turn_is_listed_with_what_it_belongs_to(client: Client, other_client: Client, mode: str) -> None:
    goal = f"Goal: {new_session()} é"
    labels = {"goal_id": goal, "work_item_id": "w 1", "run_id": "r/1", "metadata": {"team": "search", "ü": "☃:1"}}
    session = await answer(client, "Bonjour,\nça va ?", mode=mode, **labels)
    shown = await client.turn(session)
    assert {name: shown[name] for name in labels} == labels

    page = await get(other_client, "/turns", goal_id=goal, text_chars=7)
    assert page["next"] is None
    (listed,) = page["turns"]
    assert {name: listed.pop(name) for name in TIMES} == {name: shown[name] for name in TIMES}
    assert listed == {
        "session_id": session,
        "turn": 1,
        "mode": mode,
        "status": "done",
        "attempt": 1,
        "lost_attempts": 0,
        "model": "mock?tokens=3",
        "provider": "openai",
        "message": "Bonjour, ça va ?",
        "text": numbered(3)[-7:],
        **labels,
        "finish_reason": "stop",
        "usage": shown["usage"],
        "cost": None,
        "error": None,
    }


async def test_what_belongs_to_nothing_says_so(client: Client) -> None:
    session = await answer(client)
    (listed,) = (await get(client, "/turns", session_id=session))["turns"]
    for told in (listed, await client.turn(session)):
        assert (told["goal_id"], told["work_item_id"], told["run_id"], told["metadata"]) == (None, None, None, {})
    assert listed["text"] == ""


async def test_filters_find_turns_and_their_sessions(client: Client) -> None:
    goal = new_session()
    one = await answer(client, goal_id=goal, run_id="r1", metadata={"team": "search", "level": "a:b"})
    two = await answer(client, goal_id=goal, run_id="r2", work_item_id="w2", metadata={"team": "search"})
    await client.ask(session_id=two, goal_id=goal, model="mock?status=401&n=2")
    failed = await client.until(two, "error", number=2)
    assert failed["goal_id"] == goal

    for query, turns, sessions in (
        ({}, [two, two, one], [two, one]),
        ({"run_id": "r1"}, [one], [one]),
        ({"work_item_id": "w2"}, [two], [two]),
        ({"model": "mock?tokens=3"}, [two, one], [two, one]),
        ({"status": "error"}, [two], [two]),
        ({"status": ["done", "error"]}, [two, two, one], [two, one]),
        ({"status": "error", "run_id": "r2"}, [], []),
        ({"metadata": "team:search"}, [two, one], [two, one]),
        ({"metadata": ["team:search", "level:a:b"]}, [one], [one]),
        ({"metadata": "team:"}, [], []),
    ):
        assert await found(client, goal_id=goal, **query) == turns, query
        assert await found_sessions(client, goal_id=goal, **query) == sessions, query
    assert await found(client, goal_id=goal, session_id=one) == [one]
    (listed,) = (await get(client, "/turns", goal_id=goal, status="error"))["turns"]
    assert listed["error"] == failed["error"]


async def test_turns_are_listed_from_their_question_on(client: Client) -> None:
    goal, session = new_session(), new_session()
    await client.ask(session_id=session, goal_id=goal, model=f"mock?tokens=9&hold_after=3&id={session}")
    async with client.stream(session) as stream:
        await stream.read_until("chunk")
        (listed,) = (await get(client, "/turns", goal_id=goal, status="running", text_chars=9))["turns"]
        assert (listed["status"], listed["text"], listed["finished_at"]) == ("running", "", None)
        await client.cancel(session)
        await stream.rest()
    assert await found(client, goal_id=goal, status=["running", "done", "queued", "error"]) == []
    (listed,) = (await get(client, "/turns", goal_id=goal, status="cancelled"))["turns"]
    assert (listed["status"], listed["finish_reason"]) == ("done", "cancelled")


async def test_pages_follow_one_another(client: Client, other_client: Client) -> None:
    goal = new_session()
    sessions = [await answer(client, goal_id=goal) for _ in range(5)]
    first = await get(client, "/turns", goal_id=goal, limit=2)
    await answer(client, goal_id=goal)
    second = await get(other_client, "/turns", goal_id=goal, limit=2, before=first["next"])
    third = await get(client, "/turns", goal_id=goal, limit=2, before=second["next"])
    read = [turn["session_id"] for page in (first, second, third) for turn in page["turns"]]
    assert read == sessions[::-1]
    assert third["next"] is None


@pytest.mark.parametrize(("query", "field"), BAD_QUERIES)
@pytest.mark.parametrize("path", ["/turns", "/sessions"])
async def test_a_wrong_filter_is_named(client: Client, path: str, query: str, field: str) -> None:
    assert_problem(await client.http.get(f"{path}?{query}"), 422, "invalid_input", field=field)


@pytest.mark.parametrize(("query", "field"), BAD_QUERIES_OF_TURNS)
async def test_a_wrong_query_of_turns_is_named(client: Client, query: str, field: str) -> None:
    assert_problem(await client.http.get(f"/turns?{query}"), 422, "invalid_input", field=field)


async def test_what_is_anothers_is_not_listed(alice: Client, bob: Client) -> None:
    goal = new_session()
    hers = await answer(alice, goal_id=goal)
    his = await answer(bob, goal_id=goal)
    for client, session in ((alice, hers), (bob, his)):
        assert await found(client, goal_id=goal) == await found_sessions(client, goal_id=goal) == [session]
        assert {hers, his} & {*await found(client)} == {session}
    assert await found(bob, session_id=hers) == []
