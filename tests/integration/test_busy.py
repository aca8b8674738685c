"""Under load, when models are looked at in common ticks alone: nothing is lost, and everything ends as ever."""

from collections.abc import Callable
from time import monotonic

import anyio
import pytest

from tests.client import Client, SseEvent, new_session, numbered, text_of, types_of
from tests.integration.conftest import Arena, Shared, StartWorkers, eventually, mock_stats, owner_of
from tests.patience import Slowness, promised, without_lag

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["queue", "direct"])
SSE = "text/event-stream"
SESSIONS = 4
RATE = 2000
"""Tokens per second of one session. From 3,125 of a process on there are ticks."""
TOKENS = 3000
MOST_EVENTS = TOKENS // 10
"""Of one answer. In ticks of 40 ms there is one for 80 tokens; without them, one for each token or two."""
CANCEL_SECONDS = 1.0


async def answers_of(client: Client, mode: str, model: Callable[[], str]) -> list[list[SseEvent]]:
    """Of so many people who ask at once."""
    answers: list[list[SseEvent]] = []

    async def answer() -> None:
        async with client.ask_streaming(accept=SSE, mode=mode, model=model()) as stream:
            answers.append(await stream.rest())

    async with anyio.create_task_group() as people:
        for _ in range(SESSIONS):
            people.start_soon(answer)
    return answers


@MODES
async def test_answers_are_whole(client: Client, mode: str) -> None:
    async def answer_all() -> None:
        """Who is asked late on a busy machine may be answered alone, and in no ticks."""
        answers = await answers_of(client, mode, lambda: f"mock?tokens={TOKENS}&rate={RATE}")
        assert [text_of(events) for events in answers] == SESSIONS * [numbered(TOKENS)]
        assert [events[-1].data["finish_reason"] for events in answers] == SESSIONS * ["stop"]
        assert max(map(len, answers)) < MOST_EVENTS

    await without_lag(0.1, answer_all)


@MODES
async def test_a_cancelled_turn_ends_at_once(client: Client, other_client: Client, shared: Shared, mode: str) -> None:
    before = mock_stats(shared.stack)["open_streams"]
    answers: list[list[SseEvent]] = []
    took: list[float] = []

    async def answer() -> None:
        session = new_session()
        fields = {"session_id": session, "mode": mode, "model": f"mock?tokens=1000000&rate={RATE}"}
        async with client.ask_streaming(accept=SSE, **fields) as stream:
            await stream.read_chars(len(numbered(TOKENS)))
            cancelled_at = monotonic()
            await other_client.cancel(session)
            answers.append(await stream.rest())
            took.append(monotonic() - cancelled_at)

    with Slowness() as slowness:
        async with anyio.create_task_group() as people:
            for _ in range(SESSIONS):
                people.start_soon(answer)
    assert max(took) < CANCEL_SECONDS * slowness.factor
    for events in answers:
        assert events[-1].data["finish_reason"] == "cancelled"
        text = text_of(events)
        assert numbered(len(text)).startswith(text)
    with promised(CANCEL_SECONDS):
        await eventually(lambda: mock_stats(shared.stack)["open_streams"] <= before)


@MODES
async def test_answers_that_the_service_breaks_off_restart(client: Client, mode: str) -> None:
    def breaking_off() -> str:
        return f"mock?tokens={TOKENS}&rate={RATE}&drop_after={TOKENS // 2}&drop_times=1&id={new_session()}"

    async def answer_all() -> None:
        """On a busy machine a viewer may come when the restart is over."""
        answers = await answers_of(client, mode, breaking_off)
        assert [text_of(events) for events in answers] == SESSIONS * [numbered(TOKENS)]
        assert [types_of(events).count("restart") for events in answers] == SESSIONS * [1]

    await without_lag(0.1, answer_all)


async def test_a_killed_worker_costs_nothing(arena: Arena, viewer: Client, start_workers: StartWorkers) -> None:
    workers = start_workers(2)
    sessions = [new_session() for _ in range(2 * SESSIONS)]
    answers: list[list[SseEvent]] = []
    begun = [anyio.Event() for _ in sessions]

    async def answer(session: str, has_begun: anyio.Event) -> None:
        model = f"mock?tokens={2 * TOKENS}&rate={RATE}&hold_after={TOKENS}&id={session}"
        async with viewer.ask_streaming(accept=SSE, session_id=session, model=model) as stream:
            await stream.read_chars(len(numbered(TOKENS // 2)))
            has_begun.set()
            answers.append(await stream.rest())

    async with anyio.create_task_group() as people:
        for session, has_begun in zip(sessions, begun, strict=True):
            people.start_soon(answer, session, has_begun)
        for has_begun in begun:
            await has_begun.wait()
        owner_of(arena.stack, sessions[0], workers).kill()
        for session in sessions:
            arena.stack.release(session)
    assert [text_of(events) for events in answers] == len(sessions) * [numbered(2 * TOKENS)]
    assert 0 < sum(types_of(events).count("restart") for events in answers) <= len(sessions)
