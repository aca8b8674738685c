"""POST /chat: what is answered to whom, and what the model is asked."""

import re

import anyio
import httpx
import pytest

from core.model.keys import SESSION_ID_PATTERN
from tests.client import Client, new_session, numbered, text_of, types_of
from tests.integration.conftest import Shared, assert_problem, eventually, mock_stats
from tests.patience import promised

pytestmark = pytest.mark.anyio

SSE = "text/event-stream"
TEXT = "text/plain"
LEFT_SECONDS = 2.0
"""In which an answer ends that nobody reads."""
USAGE = {"input_tokens": 1, "output_tokens": 20, "reasoning_tokens": 0}


async def test_queue_mode_answers_202(client: Client) -> None:
    session = new_session()
    response = await client.ask(session_id=session, model="mock?tokens=20")
    assert response.status_code == 202
    url = f"/stream/{session}?turn=1"
    body = response.json()
    assert body.pop("position") >= 1
    assert body == {"session_id": session, "turn": 1, "status": "queued", "stream_url": url}
    assert response.headers["x-session-id"] == session
    assert response.headers["location"] == url
    assert response.headers["content-type"] == "application/json"
    stream = await client.http.get(url)
    assert numbered(20) in "".join(re.findall(r'"chunk":"([^"]*)"', stream.text))


async def test_the_api_names_a_session_that_has_no_name(client: Client) -> None:
    names = [(await client.ask(model="mock?tokens=1")).json()["session_id"] for _ in range(2)]
    assert names[0] != names[1]
    for name in names:
        assert re.match(SESSION_ID_PATTERN, name)
        assert len(name) >= 20  # not to be guessed
        await client.until(name, "done")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8"])
async def test_other_accepts_get_202(client: Client, accept: str) -> None:
    body = {"message": "hello", "model": "mock?tokens=1"}
    response = await client.http.post("/chat", json=body, headers={"Accept": accept})
    assert response.status_code == 202
    await client.until(response.json()["session_id"], "done")


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_events_in_the_response_itself(client: Client, mode: str) -> None:
    session = new_session()
    fields = {"session_id": session, "mode": mode, "model": "mock?tokens=20"}
    async with client.ask_streaming(accept=f"{SSE}, */*", **fields) as stream:
        _assert_streams(stream.response, SSE, session)
        events = await stream.rest()
    told = [event for event in events if event.data.get("type") != "queued"]
    by = {"model": "mock?tokens=20", "provider": "openai"}
    assert told[0] == ("1.1.0", {"type": "start", "turn": 1, "attempt": 1, **by})
    done = {"type": "done", "finish_reason": "stop", "usage": USAGE, "raw_finish_reason": "stop", **by}
    assert told[-1] == (f"1.1.{len(numbered(20)) + 1}", done)
    assert types_of(told) == ["start", "done"]
    assert text_of(events) == numbered(20)
    position = 0
    for event_id, data in told[1:-1]:
        position += len(data["chunk"])
        assert event_id == f"1.1.{position}"
    assert await client.read(session) == [told[0], (f"1.1.{position}", {"chunk": numbered(20)}), told[-1]]


@pytest.mark.parametrize(("mode", "accept"), [("queue", TEXT), ("direct", TEXT), ("direct", "*/*")])
async def test_the_text_alone_token_by_token(client: Client, shared: Shared, mode: str, accept: str) -> None:
    """So that half of it is read before the rest has been said."""
    session = new_session()
    fields = {"session_id": session, "mode": mode, "model": f"mock?tokens=10&rate=50&hold_after=5&id={session}"}
    text = ""
    async with client.ask_streaming(accept=accept, **fields) as stream:
        _assert_streams(stream.response, TEXT, session)
        async for piece in stream.response.aiter_text():
            text += piece
            if text == numbered(5):
                shared.stack.release(session)
    assert text == numbered(10)
    turn = await client.turn(session)
    assert (turn["mode"], turn["status"], turn["text"], turn["usage"]) == (
        mode,
        "done",
        numbered(10),
        {"input_tokens": 1, "output_tokens": 10, "cached_tokens": None, "reasoning_tokens": 0},
    )


async def test_the_stream_says_when_to_come_again(client: Client) -> None:
    response = await client.http.post("/chat", json={"message": "hello"}, headers={"Accept": SSE})
    assert response.text.startswith("retry: 1000\n\n")
    assert not re.search(r"^event:", response.text, re.MULTILINE)


@pytest.mark.parametrize(("mode", "status", "stored"), [("queue", "done", 20), ("direct", "error", 10)])
async def test_a_drop_breaks_plain_text_off(
    client: Client, shared: Shared, mode: str, status: str, stored: int
) -> None:
    """A client must never take a spliced answer for a whole one. Nobody could see another one: none is paid."""
    session = new_session()
    model = f"mock?tokens=20&rate=20&hold_after=10&drop_after=10&drop_times=1&id={session}"
    text = ""
    async with client.ask_streaming(accept=TEXT, session_id=session, mode=mode, model=model) as stream:
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - what was read before the break counts
            async for piece in stream.response.aiter_text():
                text += piece
                if text == numbered(10):
                    shared.stack.release(session)
    assert text == numbered(10)
    turn = await client.until(session, status)
    assert turn["text"] == numbered(stored)
    assert (turn["error"] or {}).get("code") == (None if status == "done" else "provider_drop")


async def test_others_read_a_direct_turn_only_once_it_is_finished(
    client: Client, other_client: Client, shared: Shared
) -> None:
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": f"mock?tokens=20&rate=30&hold_after=10&id={session}"}
    async with client.ask_streaming(accept=SSE, **fields) as stream:
        await stream.read_until("chunk")
        for on in (client, other_client):
            assert_problem(await on.http.get(f"/stream/{session}"), 409, "direct_turn")
            assert_problem(await on.ask(session_id=session), 409, "turn_running")
        shared.stack.release(session)
        events = await stream.rest()
    for on in (client, other_client):
        again = await on.read(session)
        assert text_of(again) == text_of(events) == numbered(20)
        assert again[-1] == events[-1]


async def test_a_client_that_leaves_a_direct_turn_cancels_it(client: Client, shared: Shared) -> None:
    before = mock_stats(shared.stack)
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": "mock?tokens=1000&rate=30"}
    async with client.ask_streaming(accept=SSE, **fields) as stream:
        seen = await stream.read_chars(16)
    with promised(LEFT_SECONDS):
        turn = await client.until(session, "done")
        await eventually(lambda: mock_stats(shared.stack)["disconnects"] > before["disconnects"])
    assert turn["finish_reason"] == "cancelled"
    assert turn["text"].startswith(seen)
    assert numbered(1000).startswith(turn["text"])


async def test_a_client_that_leaves_a_queue_turn_stops_nothing(client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=30&rate=60")
    async with client.stream(session) as stream:
        await stream.read_until("chunk")
    turn = await client.until(session, "done")
    assert (turn["finish_reason"], turn["text"]) == ("stop", numbered(30))


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_options_and_model_reach_the_service(client: Client, shared: Shared, mode: str) -> None:
    model = f"mock?tokens=20&id={new_session()}"
    options = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "stop": ["\n"], "seed": 3, "presence_penalty": 1}
    fields = {"mode": mode, "model": model, "options": options}
    async with client.ask_streaming("Bonjour !", accept=SSE, **fields) as stream:
        events = await stream.rest()
    assert (text_of(events), events[-1].data["finish_reason"]) == (numbered(7), "length")
    last = mock_stats(shared.stack)["last_request"]
    assert (last["model"], last["authorized"]) == (model, True)
    assert last["messages"] == [{"role": "user", "content": "Bonjour !"}]
    assert {name: last["options"][name] for name in options} == options
    assert last["options"]["stream"] is True


async def test_the_default_model_answers_where_none_is_named(client: Client, shared: Shared) -> None:
    session = new_session()
    await client.ask(session_id=session)
    events = await client.read(session)
    assert next(event for event in events if event.data.get("type") == "start").data["model"] == "mock"
    assert mock_stats(shared.stack)["last_request"]["model"] == "mock"


async def test_reasoning_and_tool_calls_are_events_of_their_own(client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=3&reasoning=2&tools=1")
    events = await client.read(session)
    assert "".join(event.data.get("reasoning", "") for event in events) == "r000000 r000001 "
    assert text_of(events) == numbered(3)
    calls = [event.data["tool_call_begun"] for event in events if "tool_call_begun" in event.data]
    pieces = [event.data["tool_call_arguments"] for event in events if "tool_call_arguments" in event.data]
    assert calls == [{"id": "call_0000", "name": "lookup"}]
    assert {piece["call"] for piece in pieces} == {0}
    assert events[-1].data["finish_reason"] == "tool_calls"
    turn = await client.turn(session)
    assert (turn["text"], turn["reasoning"]) == (numbered(3), "r000000 r000001 ")
    (call,) = turn["tool_calls"]
    assert call["arguments"] == "".join(piece["text"] for piece in pieces) != ""


async def test_many_turns_at_once_do_not_mix(client: Client, other_client: Client) -> None:
    answers: dict[int, str] = {}

    async def converse(tokens: int) -> None:
        async with client.ask_streaming(accept=SSE, model=f"mock?tokens={tokens}&rate=100") as stream:
            session = stream.response.headers["x-session-id"]
            assert text_of(await stream.rest()) == text_of(await other_client.read(session))
            answers[tokens] = text_of(stream.seen)

    async with anyio.create_task_group() as conversations:
        for tokens in range(20, 35):
            conversations.start_soon(converse, tokens)
    assert answers == {tokens: numbered(tokens) for tokens in range(20, 35)}


def _assert_streams(response: httpx.Response, media_type: str, session: str) -> None:
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert response.headers["x-session-id"] == session
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
