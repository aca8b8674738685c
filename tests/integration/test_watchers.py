"""GET /events and /ws/events: all streams that fit, whole and in order, on whichever process they run."""

from typing import Any

import pytest

from tests.client import Client, new_session, numbered
from tests.integration.conftest import Shared
from tests.watching import TOKENS, held, watching, watching_sse

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [0, 1])
async def test_a_turn_of_queue_mode_from_its_start(client: Client, shared: Shared, number: int) -> None:
    session, model = new_session(), f"mock?tokens={TOKENS}&rate=40"
    async with watching(shared.apis[number].url, sessionId=session) as watch:
        await client.ask(session_id=session, model=model)
        await watch.until(lambda: watch.ended(session))
    screen = watch.screen(session)
    assert screen.text == numbered(TOKENS)
    assert [name for name in screen.names if name != "queued"] == ["start", "chunk", "end"]
    (start,) = [event.data for event in screen.events if event.name == "llm.stream.start"]
    assert (start["model"], start["provider"], start["mode"], start["attempt"]) == (model, "openai", "queue", 1)
    assert screen.end is not None
    end = screen.end.data
    assert (end["finishReason"], end["reason"], end["tokensUsed"] >= TOKENS) == ("stop", "stop", True)


@pytest.mark.parametrize("number", [0, 1])
async def test_a_direct_turn_on_whichever_process_it_runs(client: Client, shared: Shared, number: int) -> None:
    session = new_session()
    async with watching(shared.apis[number].url, sessionId=session) as watch:
        answer = await client.ask(session_id=session, mode="direct", model=f"mock?tokens={TOKENS}&rate=40")
        await watch.until(lambda: watch.ended(session))
    assert answer.text == watch.screen(session).text == numbered(TOKENS)
    assert watch.screen(session).names == ["start", "chunk", "end"]


@pytest.mark.parametrize("mode", ["queue", "direct"])
@pytest.mark.parametrize("number", [0, 1])
async def test_who_comes_late_gets_what_was_said_so_far(client: Client, shared: Shared, number: int, mode: str) -> None:
    session = new_session()
    async with client.ask_streaming(
        session_id=session, mode=mode, model=held(session), accept="text/event-stream"
    ) as stream:
        await stream.read_chars(len(numbered(TOKENS // 2)))
        async with watching_sse(shared.apis[number].url, sessionId=session) as watch:
            await watch.until(lambda: watch.screen(session).text == numbered(TOKENS // 2))
            shared.stack.release(session)
            await watch.until(lambda: watch.ended(session))
    assert watch.screen(session).text == numbered(TOKENS)


async def test_a_goal_has_its_streams_and_no_others(client: Client, shared: Shared) -> None:
    goals = [new_session(), new_session()]
    sessions: dict[str, list[str]] = {goal: [] for goal in goals}
    async with (
        watching(shared.apis[0].url, goalId=goals[0]) as one,
        watching_sse(shared.apis[1].url, goalId=goals[1]) as other,
    ):
        for number in range(6):
            goal, session = goals[number % 2], new_session()
            sessions[goal].append(session)
            labels: dict[str, Any] = {"goal_id": goal, "work_item_id": "w", "run_id": "r", "metadata": {"team": "blue"}}
            await client.ask(session_id=session, model=f"mock?tokens={TOKENS}&rate=200", **labels)
        for watch, goal in ((one, goals[0]), (other, goals[1])):
            await watch.until(lambda watch=watch, goal=goal: watch.ended(*sessions[goal]))  # type: ignore[misc]
            assert watch.screens.keys() == {f"{session}.1" for session in sessions[goal]}
            assert {screen.text for screen in watch.screens.values()} == {numbered(TOKENS)}
            assert {event.data.get("goalId") for event in watch.events} == {goal}
    start = next(event.data for event in one.events if event.name == "llm.stream.start")
    assert (start["workItemId"], start["runId"], start["metadata"]) == ("w", "r", {"team": "blue"})


async def test_who_subscribes_sees_that_from_its_start_and_who_leaves_it_no_more(
    client: Client, shared: Shared
) -> None:
    ours, others = new_session(), new_session()
    async with watching(shared.apis[1].url, goalId="nobody has this goal") as watch:
        for session in (ours, others):
            await client.ask(session_id=session, model=held(session))
        await watch.subscribe(sessionId=ours)
        await watch.until(lambda: watch.screen(ours).text == numbered(TOKENS // 2))
        await watch.subscribe(sessionId=others)
        await watch.until(lambda: watch.screen(others).text == numbered(TOKENS // 2))
        await watch.unsubscribe(sessionId=others)
        for session in (others, ours):
            shared.stack.release(session)
        await client.until(others, "done")
        await watch.until(lambda: watch.ended(ours))
        await watch.send(type="ping")
        await watch.until(lambda: watch.said("pong"))
    assert watch.screen(ours).text == numbered(TOKENS)
    assert watch.screen(others).text == numbered(TOKENS // 2)


async def test_a_status_is_what_a_stream_comes_into_view_by(client: Client, shared: Shared) -> None:
    failing, whole = new_session(), new_session()
    async with (
        watching(shared.apis[0].url, status="error") as errors,
        watching(shared.apis[0].url, status="completed") as completed,
    ):
        await client.ask(session_id=failing, model="mock?status=400")
        await client.ask(session_id=whole, model="mock?tokens=3")
        await completed.until(lambda: completed.ended(whole))
        await errors.until(lambda: errors.ended(failing))
    assert (errors.screen(failing).names, completed.screen(whole).names) == (["error"], ["end"])
    assert f"{whole}.1" not in errors.screens
    assert f"{failing}.1" not in completed.screens


async def test_a_cancelled_answer_does_not_look_whole(client: Client, shared: Shared) -> None:
    session = new_session()
    async with watching(shared.apis[1].url, sessionId=session) as watch:
        await client.ask(session_id=session, model=held(session))
        await watch.until(lambda: watch.screen(session).text == numbered(TOKENS // 2))
        await client.cancel(session)
        await watch.until(lambda: watch.ended(session))
    end = watch.screen(session).end
    assert end is not None
    assert (end.name, end.data["finishReason"], end.data["reason"]) == ("llm.stream.end", "error", "cancelled")


async def test_what_a_model_thinks_and_calls_is_told_apart(client: Client, shared: Shared) -> None:
    session = new_session()
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    async with watching(shared.apis[1].url, sessionId=session) as watch:
        model = "mock?tokens=3&reasoning=4&tools=1"
        await client.ask(session_id=session, model=model, options={"tools": [tool]})
        await watch.until(lambda: watch.ended(session))
    screen = watch.screen(session)
    assert (screen.text, screen.reasoning) == (numbered(3), "".join(f"r{n:06d} " for n in range(4)))
    tools = [event.data for event in screen.events if event.name == "llm.stream.tool"]
    assert (tools[0]["name"], tools[0]["phase"] in ("call", "begun")) == ("look", True)
    assert screen.end is not None
    assert screen.end.data["reason"] == "tool_calls"
