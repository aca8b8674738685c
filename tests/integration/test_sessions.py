"""Sessions: what is listed, shown, deleted, replaced, and told to the model as history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Shared, assert_problem, eventually, mock_stats
from tests.patience import promised

pytestmark = pytest.mark.anyio

DELETED_SECONDS = 2.0
TIMES = ("created_at", "started_at", "claimed_at", "asked_at", "first_token_at", "finished_at")


async def test_a_session_shows_its_turns(client: Client) -> None:
    session = await _converse(client, "Bonjour,\nça va ?", "Und auf Deutsch?")
    shown = await client.show(session)
    assert shown["session_id"] == session
    assert shown["title"] == "Bonjour, ça va ?"
    assert shown["messages"] == [
        {"role": "user", "content": "Bonjour,\nça va ?", "turn": 1},
        {"role": "assistant", "content": numbered(2), "turn": 1},
        {"role": "user", "content": "Und auf Deutsch?", "turn": 2},
        {"role": "assistant", "content": numbered(2), "turn": 2},
    ]
    first = shown["turns"][0]
    times = [_moment(first.pop(name)) for name in TIMES]
    assert times == sorted(times)
    assert first == {
        "turn": 1,
        "mode": "queue",
        "status": "done",
        "attempt": 1,
        "model": "mock?tokens=2",
        "agent": None,
        "goal_id": None,
        "work_item_id": None,
        "run_id": None,
        "metadata": {},
        "message": "Bonjour,\nça va ?",
        "text": numbered(2),
        "reasoning": "",
        "refusal": "",
        "tool_calls": [],
        "steps": 0,
        "replaces": None,
        "finish_reason": "stop",
        "raw_finish_reason": "stop",
        "provider": "openai",
        "served_model": "mock?tokens=2",
        "usage": {"input_tokens": 4, "output_tokens": 2, "cached_tokens": None, "reasoning_tokens": 0},
        "cost": None,
        "tries": [],
        "error": None,
        "reasoning_seconds": None,
    }
    assert _moment(shown["created_at"]) <= times[0] <= _moment(shown["updated_at"])


async def test_a_turn_that_runs_and_one_that_failed(client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?status=401")
    failed = await client.until(session, "error")
    assert failed["error"]["code"] == "provider_error"
    assert failed["finish_reason"] is None
    await client.ask("again", session_id=session, model="mock?tokens=2000&rate=40")
    async with client.stream(session) as stream:
        await stream.read_until("chunk")
        running = await client.turn(session, 2)
        assert (running["status"], running["text"], running["finished_at"]) == ("running", "", None)
        contents = [message["content"] for message in (await client.show(session))["messages"]]
        assert contents == ["hello", "again"]
        await client.cancel(session)


async def test_sessions_are_listed_newest_first(client: Client, other_client: Client) -> None:
    sessions = [await _converse(client, f"session {number}") for number in range(3)]
    await _ask(client, sessions[0], "once more", number=2)
    listed = (await other_client.http.get("/sessions")).json()["sessions"]
    assert [entry["session_id"] for entry in listed[:3]] == [sessions[0], sessions[2], sessions[1]]
    newest = listed[0]
    assert _moment(newest.pop("created_at")) < _moment(newest.pop("updated_at"))
    assert newest == {"session_id": sessions[0], "title": "session 0", "turns": 2, "status": "done"}

    limited = (await client.http.get("/sessions?limit=2")).json()["sessions"]
    assert [entry["session_id"] for entry in limited] == [sessions[0], sessions[2]]
    assert len(listed) <= 50
    for limit in ("0", "-1", "x", "501"):
        assert_problem(await client.http.get(f"/sessions?limit={limit}"), 422, "invalid_input", field="limit")


async def test_a_deleted_session_is_gone(client: Client, other_client: Client) -> None:
    session = await _converse(client, "one", "two")
    response = await client.http.delete(f"/sessions/{session}")
    assert (response.status_code, response.content) == (204, b"")
    for path in (f"/sessions/{session}", f"/stream/{session}", f"/stream/{session}?turn=1"):
        assert_problem(await other_client.http.get(path), 404, "not_found")
    assert_problem(await client.http.delete(f"/sessions/{session}"), 404, "not_found")
    listed = (await client.http.get("/sessions?limit=500")).json()["sessions"]
    assert session not in [entry["session_id"] for entry in listed]
    third = await client.ask(session_id=session, model="mock?tokens=2")
    assert third.json()["turn"] == 3  # so that nothing of the deleted ones is taken for its
    await client.until(session, "done")


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_a_session_is_deleted_while_it_runs(
    client: Client, other_client: Client, shared: Shared, mode: str
) -> None:
    before = mock_stats(shared.stack)
    session = new_session()
    fields = {"session_id": session, "mode": mode, "model": "mock?tokens=2000&rate=40"}
    async with client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_until("chunk")
        with promised(DELETED_SECONDS):
            assert (await other_client.http.delete(f"/sessions/{session}")).status_code == 204
            end = (await stream.rest())[-1].data
            await eventually(lambda: mock_stats(shared.stack)["disconnects"] > before["disconnects"])
    assert (end["type"], end["finish_reason"]) == ("done", "cancelled")
    assert_problem(await client.http.get(f"/sessions/{session}"), 404, "not_found")
    assert shared.worker.alive


async def test_the_model_is_told_the_conversation(client: Client, shared: Shared) -> None:
    await _converse(client, "one", "two", "three")
    asked = mock_stats(shared.stack)["last_request"]["messages"]
    assert asked == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": numbered(2)},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": numbered(2)},
        {"role": "user", "content": "three"},
    ]


async def test_a_direct_turn_continues_a_session_like_any(client: Client, shared: Shared) -> None:
    session = await _converse(client, "one")
    answer = await client.ask("two", session_id=session, mode="direct", model="mock?tokens=3")
    assert answer.text == numbered(3)
    await _ask(client, session, "three", number=3)
    asked = [message["content"] for message in mock_stats(shared.stack)["last_request"]["messages"]]
    assert asked == ["one", numbered(2), "two", numbered(3), "three"]


async def test_a_replaced_turn_leaves_history_and_messages(client: Client, shared: Shared) -> None:
    session = await _converse(client, "one", "two")
    await _ask(client, session, "two, said better", number=3, replaces=2)
    asked = [message["content"] for message in mock_stats(shared.stack)["last_request"]["messages"]]
    assert asked == ["one", numbered(2), "two, said better"]
    await _ask(client, session, "two, at its best", number=4, replaces=3)
    await _ask(client, session, "three", number=5)
    asked = [message["content"] for message in mock_stats(shared.stack)["last_request"]["messages"]]
    assert asked == ["one", numbered(2), "two, at its best", numbered(2), "three"]

    shown = await client.show(session)
    assert [message["turn"] for message in shown["messages"]] == [1, 1, 4, 4, 5, 5]
    assert [turn["replaces"] for turn in shown["turns"]] == [None, None, 2, 3, None]
    assert text_of(await client.read(session, turn=2)) == numbered(2)  # still there for who has its URL


async def test_only_the_latest_finished_turn_can_be_replaced(client: Client) -> None:
    session = await _converse(client, "one", "two")
    for turn in (1, 3, 10**12):
        assert_problem(await client.ask(session_id=session, replaces=turn), 409, "replace_conflict")
    await client.ask(session_id=session, model="mock?tokens=2000&rate=40")
    assert_problem(await client.ask(session_id=session, replaces=3), 409, "turn_running")
    await client.cancel(session)
    assert len((await client.show(session))["turns"]) == 3

    unknown = new_session()
    assert_problem(await client.ask(session_id=unknown, replaces=1), 409, "replace_conflict")
    assert_problem(await client.http.get(f"/sessions/{unknown}"), 404, "not_found")


async def _converse(client: Client, *messages: str) -> str:
    session = new_session()
    for number, message in enumerate(messages, start=1):
        await _ask(client, session, message, number=number)
    return session


async def _ask(client: Client, session: str, message: str, *, number: int, **fields: Any) -> None:
    response = await client.ask(message, session_id=session, model="mock?tokens=2", **fields)
    assert response.json()["turn"] == number
    await client.until(session, "done", number=number)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=10)
    return moment
