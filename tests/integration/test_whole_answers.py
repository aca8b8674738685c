"""`"stream": false`: the answer comes whole, as JSON, with all that is known of the turn."""

import anyio
import pytest

from tests.client import POLL_SECONDS, Client, new_session, numbered
from tests.integration.conftest import Shared, assert_problem
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["queue", "direct"])


@MODES
async def test_the_whole_answer(client: Client, mode: str) -> None:
    session = new_session()
    answer = await client.ask(session_id=session, mode=mode, stream=False, model="mock?tokens=20")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["X-Session-ID"] == session
    told = answer.json()
    assert (told.pop("session_id"), told["text"], told["finish_reason"]) == (session, numbered(20), "stop")
    assert told == await client.turn(session)


@MODES
async def test_a_failed_answer_is_a_problem(client: Client, mode: str) -> None:
    session = new_session()
    answer = await client.ask(session_id=session, mode=mode, stream=False, model="mock?status=401")
    problem = assert_problem(answer, 502, "provider_error")
    assert answer.headers["X-Session-ID"] == session
    assert "Incorrect API key" in problem["detail"]
    assert (await client.turn(session))["status"] == "error"


async def until_it_runs(client: Client, session: str) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while (await client.http.get(f"/sessions/{session}")).status_code != 200:  # noqa: ASYNC110
            await anyio.sleep(POLL_SECONDS)
    await client.until(session, "running")


async def test_a_cancelled_answer_is_what_there_was(client: Client, shared: Shared) -> None:
    session = new_session()
    model = f"mock?tokens=30&hold_after=5&id={session}"
    answers = []

    async def ask() -> None:
        answers.append((await client.ask(session_id=session, stream=False, model=model)).json())

    async with anyio.create_task_group() as asking:
        asking.start_soon(ask)
        await until_it_runs(client, session)
        async with client.stream(session) as stream:
            await stream.read_chars(len(numbered(5)))
        await client.cancel(session)
    (told,) = answers
    assert (told["text"], told["finish_reason"]) == (numbered(5), "cancelled")
    shared.stack.release(session)


@pytest.mark.parametrize(("mode", "reason"), [("queue", "stop"), ("direct", "cancelled")])
async def test_a_client_that_leaves_takes_only_a_direct_answer_along(
    client: Client, shared: Shared, mode: str, reason: str
) -> None:
    session = new_session()
    model = f"mock?tokens=30&hold_after=5&id={session}"

    async def ask() -> None:
        await client.ask(session_id=session, mode=mode, stream=False, model=model)

    async with anyio.create_task_group() as asking:
        asking.start_soon(ask)
        await until_it_runs(client, session)
        asking.cancel_scope.cancel()
    if mode == "queue":
        shared.stack.release(session)
    assert (await client.until(session, "done"))["finish_reason"] == reason
    shared.stack.release(session)


async def test_true_is_for_events(client: Client) -> None:
    answer = await client.ask(stream=True, model="mock?tokens=2")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert '"type":"done"' in answer.text
