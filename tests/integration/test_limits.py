"""Limits: the queue's length, open streams; each refused with 429 and when to come again."""

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from tests.client import POLL_SECONDS, Client, new_session, numbered, text_of
from tests.integration.conftest import assert_problem
from tests.patience import PATIENCE_SECONDS
from tests.stack import Stack

pytestmark = pytest.mark.anyio


async def test_a_full_queue_takes_no_more(stack: Stack) -> None:
    sessions = [new_session() for _ in range(3)]
    async with Client(stack.start_api(MAX_QUEUED_TURNS="2").url) as client:
        for session in sessions[:2]:
            assert (await client.ask(session_id=session, model="mock?tokens=2")).status_code == 202
        refused = await client.ask(session_id=sessions[2])
        problem = assert_problem(refused, 429, "queue_full", more={"queue_length": 2})
        assert "limit is 2" in problem["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        assert_problem(await client.http.get(f"/sessions/{sessions[2]}"), 404, "not_found")
        assert (await client.ask(session_id=sessions[2], mode="direct", model="mock?tokens=2")).text == numbered(2)
        stack.start_worker()
        await client.until(sessions[0], "done")
        await client.until(sessions[1], "done")
        assert (await client.ask(session_id=new_session())).status_code == 202


@pytest.mark.parametrize("limit", ["MAX_STREAMS_PER_CLIENT", "MAX_STREAMS"])
async def test_streams_are_limited_and_given_back(stack: Stack, limit: str) -> None:
    environment: dict[str, Any] = {limit: "2"}
    async with Client(stack.start_api(**environment).url) as client:
        await client.ask(session_id=(session := new_session()), model="mock?tokens=50&rate=50")
        async with AsyncExitStack() as held:
            for _ in range(2):
                stream = await held.enter_async_context(client.stream(session))
                await stream.read_until("queued")
            refused = await client.http.get(f"/stream/{session}")
            assert_problem(refused, 429, "too_many_streams")
            assert int(refused.headers["retry-after"]) >= 1
            assert (await client.http.get("/health")).status_code == 200
        await _until_given_back(client, session)
        stack.start_worker()
        assert text_of(await client.read(session)) == numbered(50)
        for _ in range(4):  # a refusal holds nothing
            assert_problem(await client.http.get("/stream/unknown"), 404, "not_found")


async def test_a_viewer_hears_of_a_cancelled_turn_that_no_worker_can_end(stack: Stack) -> None:
    api, worker = stack.start_api(), stack.start_worker()
    async with Client(api.url) as client:
        await client.ask(session_id=(session := new_session()), model="mock?tokens=2000&rate=40")
        async with client.stream(session) as stream:
            await stream.read_until("chunk")
            worker.kill()
            await client.cancel(session)  # at once: for the store its worker still lives
            events = await stream.rest()
    assert events[-1].data["finish_reason"] == "cancelled"


async def _until_given_back(client: Client, session: str) -> None:
    """Until streams can be had again: the process has to notice that its clients have left."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            async with client.stream(session) as stream:
                if stream.response.status_code == 200:
                    return
            await anyio.sleep(POLL_SECONDS)
