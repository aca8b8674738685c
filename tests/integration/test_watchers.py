"""GET /events and /ws/events: all streams that fit, whole and in order, on whichever process they run."""

import pytest

from tests.client import Client, new_session, numbered
from tests.integration.conftest import Shared
from tests.watching import watching, watching_sse

pytestmark = pytest.mark.anyio

TOKENS = 40


def held(session: str, after: int = TOKENS // 2) -> str:
    """The name of a model whose answer stops in the middle until it is released."""
    return f"mock?tokens={TOKENS}&rate=100&hold_after={after}&id={session}"


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
