"""The answers of the mock upstream and their pace: what the bench and the other tests believe of it."""

import asyncio
import json
import time

import httpx
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from bench.mock_upstream import MockUpstream
from bench.tokens import AWKWARD, Ledger
from tests.patience import without_lag
from tests.unit.mock_upstream.conftest import (
    MESSAGES,
    QUIET,
    Raw,
    chunks_of,
    collect,
    finish_of,
    numbered,
    question,
    text_of,
    until,
)

pytestmark = pytest.mark.anyio


async def test_the_official_client_reads_a_stream(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, "mock?tokens=50")

    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == numbered(50)
    assert finish_of(chunks) == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


async def test_usage_comes_last_with_empty_choices_if_asked_for(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, "mock?tokens=7", stream_options={"include_usage": True})

    assert [bool(chunk.choices) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.completion_tokens, usage.total_tokens) == (7, usage.prompt_tokens + 7)


async def test_the_official_client_reads_a_whole_answer(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="mock?tokens=7", messages=MESSAGES)

    assert answer.choices[0].message.content == numbered(7)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 7


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(("limit", "reason"), [(3, "length"), (10, "stop"), (99, "stop")])
async def test_the_limit_of_tokens_is_kept(client: AsyncOpenAI, name: str, limit: int, reason: str) -> None:
    chunks = await chunks_of(client, "mock?tokens=10", **{name: limit})

    assert text_of(chunks) == numbered(min(limit, 10))
    assert finish_of(chunks) == [reason]


async def test_reasoning_comes_before_the_text(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, "mock?tokens=2&reasoning=2")

    deltas = [chunk.choices[0].delta.model_dump(exclude_none=True) for chunk in chunks[1:-1]]
    assert deltas == [
        {"reasoning_content": "r000000 "},
        {"reasoning_content": "r000001 "},
        {"content": "t000000 "},
        {"content": "t000001 "},
    ]


async def test_tool_calls_are_streamed_in_fragments(client: AsyncOpenAI) -> None:
    tool = {"type": "function", "function": {"name": "find_tea", "parameters": {}}}
    chunks = await chunks_of(client, "mock?tokens=0&tools=2", tools=[tool])

    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    arguments = ["", ""]
    for call in calls:
        assert call.function is not None
        arguments[call.index] += call.function.arguments or ""
    assert len(calls) > 4
    assert [call.function.name for call in calls if call.id and call.function] == ["find_tea", "find_tea"]
    assert [json.loads(text) for text in arguments] == [{"query": "tea in Żywiec", "limit": 3}] * 2
    assert finish_of(chunks) == ["tool_calls"]


async def test_a_whole_answer_holds_reasoning_and_tool_calls_too(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json=question("mock?tokens=0&reasoning=1&tools=1"))

    choice = response.json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["reasoning_content"] == "r000000 "
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])["limit"] == 3


async def test_awkward_text_arrives_as_it_is(client: AsyncOpenAI) -> None:
    text = text_of(await chunks_of(client, f"mock?tokens={len(AWKWARD)}&unicode"))

    assert text == "".join(f"t{index:06d} {awkward} " for index, awkward in enumerate(AWKWARD))


async def test_two_streams_do_not_mix(client: AsyncOpenAI) -> None:
    model = "mock?tokens=40&rate=400"
    answers = await asyncio.gather(*(chunks_of(client, model) for _ in range(5)))

    assert [text_of(chunks) for chunks in answers] == [numbered(40)] * 5


async def test_the_schedule_is_absolute(client: AsyncOpenAI) -> None:
    """However late single tokens are on a busy machine, the pace does not drift."""

    async def ask() -> None:
        asked = asyncio.get_running_loop().time()
        text = text_of(await chunks_of(client, "mock?tokens=200&rate=400&ttft=0.1&text=stamped"))
        stamps = [int(word.partition(":")[2]) / 1e9 for word in text.split()]
        late = sorted(stamp - asked - (0.1 + index / 400) for index, stamp in enumerate(stamps))
        assert len(stamps) == 200
        assert late[0] > -0.003  # timers are good to a millisecond, and the loop's clock is another's reading
        assert late[100] < 0.05

    await without_lag(0.02, ask)


async def test_jitter_delays_tokens_but_keeps_their_order(client: AsyncOpenAI) -> None:
    assert text_of(await chunks_of(client, "mock?tokens=50&rate=1000&jitter=0.01")) == numbered(50)


async def test_stamps_tell_the_delay(client: AsyncOpenAI) -> None:
    ledger = Ledger()
    asked_ns = time.monotonic_ns()
    text = text_of(await chunks_of(client, "mock?tokens=20&rate=1000&text=stamped"))
    ledger.read(text, time.monotonic_ns())

    assert ledger.received == 20
    assert ledger.lost(20) == 0
    assert all(0 <= delay <= time.monotonic_ns() - asked_ns for delay in ledger.delays_ns)


async def test_a_reader_that_stops_is_waited_for(mock: MockUpstream) -> None:
    tokens = 100_000
    async with Raw(mock) as raw:
        raw.post(f"mock?tokens={tokens}", stream=True)
        await raw.read_to(b"t000000 ")
        before = -1
        while before != mock.stats.tokens:
            before = mock.stats.tokens
            await asyncio.sleep(2 * QUIET)
        assert before < tokens

        rest = await raw.read_all_to(b"\r\n0\r\n\r\n")

    assert rest.count(b'"content":"t') == tokens - 1
    assert f'"content":"t{tokens - 1:06d} "'.encode() in rest


@pytest.mark.parametrize(("held", "more"), [(0, ""), (4, ""), (4, "&drop_after=6&drop_times=1"), (10, "")])
async def test_an_answer_can_be_held_back_until_it_is_released(
    client: AsyncOpenAI, http: httpx.AsyncClient, mock: MockUpstream, held: int, more: str
) -> None:
    model = f"mock?tokens=10&hold_after={held}&id=a{more}"
    async with Raw(mock) as raw:
        raw.post(model, stream=True)
        assert (await raw.read_until_quiet()).count(b"t00000") == held
        await http.post("/release/another")
        assert await raw.read_until_quiet() == b""
        await http.post("/release/a")
        rest = await raw.read_all() if more else await raw.read_to(b"\r\n0\r\n\r\n")
    assert rest.count(b"t00000") == (6 if more else 10) - held
    assert text_of(await chunks_of(client, model)) == numbered(10)  # once released, it is held no more


async def test_an_answer_may_be_released_before_it_is_held_back(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    chunks: list[ChatCompletionChunk] = []
    async with asyncio.TaskGroup() as reading:
        reading.create_task(collect(client, "mock?tokens=10&rate=50&hold_after=8&id=a", chunks))
        await until(lambda: "t000002" in text_of(chunks))
        await http.post("/release/a")
    assert text_of(chunks) == numbered(10)


async def test_an_answer_can_be_let_go_on_step_by_step(http: httpx.AsyncClient, mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        raw.post("mock?tokens=10&hold_after=2&id=a", stream=True)
        assert (await raw.read_until_quiet()).count(b"t00000") == 2
        await http.post("/release/a/7")
        assert (await raw.read_until_quiet()).count(b"t00000") == 5
        assert (await http.post("/release/a/many")).status_code == 400
        await http.post("/release/a/10")
        rest = await raw.read_until_quiet()
        assert (rest.count(b"t00000"), b"[DONE]" in rest) == (3, False)
        await http.post("/release/a")
        assert b"[DONE]" in await raw.read_to(b"\r\n0\r\n\r\n")


async def test_a_client_may_leave_an_answer_that_is_held_back(http: httpx.AsyncClient, mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        raw.post("mock?hold_after=1&id=a", stream=True)
        await raw.read_to(b"t000000 ")
    await until(lambda: mock.stats.open_streams == 0)
    assert (await http.post("/release/a")).status_code == 200
    assert mock.stats.tokens == 1
