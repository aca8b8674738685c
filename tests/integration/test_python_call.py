"""A model is asked from Python, with callbacks."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator

import anyio
import pytest

from core.model.errors import HopstreamError, ProviderError
from core.model.parts import ToolCall
from core.providers.base import Message
from core.settings import Settings
from core.store.turns.records import Labels
from core.turns.call import Calls, Response
from tests.client import Client, numbered
from tests.integration.conftest import Shared
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


NO_BROKER = "amqp://127.0.0.1:1/"
"""A call needs none; and names in RabbitMQ are a process's, whose here is that of all tests."""
SCRIPT = """
import asyncio
import re
import sys
from core.turns.call import Calls

async def main():
    async with Calls() as calls:
        response = await calls.ask("hi", model="mock?tokens=3", on_chunk=lambda chunk, index: print(index, chunk))
    print(response.finish_reason)

asyncio.run(main())
"""


@pytest.fixture
async def calls(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Calls]:
    for name, value in shared.stack.environment(RABBIT_MQ=NO_BROKER).items():
        if name.lower() in Settings.model_fields:
            monkeypatch.setenv(name, value)
    async with Calls(Settings(_env_file=None)) as calls:
        yield calls


async def test_a_script_of_one_s_own(shared: Shared) -> None:
    running = await anyio.run_process(
        [sys.executable, "-c", SCRIPT], env=shared.stack.environment(), cwd=shared.stack.home
    )
    lines = [line.rstrip() for line in running.stdout.decode().splitlines()]
    assert [line for line in lines if re.match(r"\d t", line)] == ["0 t000000", "1 t000001", "2 t000002"]
    assert lines[-1] == "stop"


async def test_chunks_come_in_order_and_the_whole_at_the_end(calls: Calls, client: Client) -> None:
    chunks: list[tuple[str, int]] = []
    completed: list[Response] = []

    async def on_complete(response: Response) -> None:
        completed.append(response)

    response = await calls.ask(
        "Count for me",
        model="mock?tokens=20",
        goal_id="g1",
        work_item_id="w1",
        run_id="r1",
        on_chunk=lambda chunk, index: chunks.append((chunk, index)),
        on_complete=on_complete,
    )
    assert "".join(chunk for chunk, _ in chunks) == response.text == numbered(20)
    assert [index for _, index in chunks] == list(range(len(chunks)))
    assert completed == [response]
    assert (response.finish_reason, response.provider, response.usage and response.usage.output_tokens) == (
        "stop",
        "openai",
        20,
    )
    assert (await client.turn(response.session_id))["text"] == numbered(20)
    stored = await calls._owner.store.turns.latest(response.session_id)
    assert stored.labels == Labels("g1", "w1", "r1")


async def test_a_session_is_gone_on_with(calls: Calls) -> None:
    first = await calls.ask("One", model="mock?tokens=1")
    second = await calls.ask("Two", model="mock?tokens=1", session_id=first.session_id)
    assert (second.session_id, second.turn) == (first.session_id, 2)


async def test_messages_and_tools(calls: Calls) -> None:
    messages = [Message("system", "Be brief."), Message("user", "Look.")]
    response = await calls.ask(messages=messages, tools=[TOOL], model="mock?tokens=0&tools=1")
    assert response.finish_reason == "tool_calls"
    assert response.tool_calls == [ToolCall("call_0000", "look", '{"query": "tea in Żywiec", "limit": 3}')]


async def test_an_error_is_told_and_raised(calls: Calls) -> None:
    told: list[HopstreamError] = []
    with pytest.raises(HopstreamError, match="401") as raised:
        await calls.ask("hi", model="mock?status=401", on_error=told.append)
    assert told == [raised.value]
    assert raised.value.code == ProviderError.code


async def test_what_was_given_is_not_taken_back(calls: Calls) -> None:
    chunks: list[str] = []
    with pytest.raises(HopstreamError) as raised:
        await calls.ask("hi", model="mock?tokens=9&drop_after=4", on_chunk=lambda chunk, _: chunks.append(chunk))
    assert (raised.value.code, "".join(chunks)) == ("provider_drop", numbered(4))


async def test_a_call_that_is_cancelled_cancels_its_turn(calls: Calls, client: Client) -> None:
    begun = asyncio.Event()
    asking = asyncio.create_task(
        calls.ask("hi", session_id="cancelled-call", model="mock?rate=5", on_chunk=lambda *_: begun.set())
    )
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await client.until("cancelled-call", "done"))["finish_reason"] == "cancelled"


async def test_what_a_callback_raises_ends_the_call(calls: Calls) -> None:
    def on_chunk(*_: object) -> None:
        raise RuntimeError("a bug of the caller's")

    with pytest.raises(RuntimeError, match="of the caller's"):
        await calls.ask("hi", model="mock?rate=5", on_chunk=on_chunk)


async def test_either_of_the_two(calls: Calls) -> None:
    with pytest.raises(ValueError, match="either"):
        await calls.ask()
