"""Generation: retries, ends and what is stored of them, with a scripted provider and a real store."""

import asyncio
from itertools import chain, repeat

import msgspec
import pytest

from core.model.errors import ContextTooLong, HopstreamError, ProviderError
from core.model.events import Failed, Usage
from core.model.parts import Part, Reasoning, Refusal, Text, ToolArguments, ToolCall, ToolCallBegun
from core.model.tape import Tape
from core.providers.base import Finish, Message, Told
from core.store.store import Store
from core.store.turns.records import Earlier, Turn
from core.turns.attempts import stages
from core.turns.attempts.stages import Stages
from tests.patience import promised
from tests.unit.scripted import FINISH, Item, Scripted, done, run_of

pytestmark = pytest.mark.anyio


async def test_an_answer_is_committed_before_its_end_is_shown(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("a"), Text("b"), FINISH]))
    await run.execute()
    assert run.feed.end == done(1, 2, "stop", Usage(1, 2))
    stored = await store.turns.get(turn.key)
    assert (stored.status, stored.read_tape().text(), stored.finish_reason) == ("done", "ab", "stop")
    assert provider.closed == 1


async def test_a_failure_before_the_first_token_is_tried_again(store: Store, turn: Turn) -> None:
    busy = ProviderError("busy", transient=True, retry_after=0)
    run = run_of(turn, store, provider := Scripted([busy], [busy], [Text("a"), FINISH]))
    await run.execute()
    assert (len(provider.requests), run.attempt) == (3, 1)
    assert run.feed.tape.text() == "a"


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ProviderError("no", transient=False), 1),
        (ProviderError("come back tomorrow", transient=True, retry_after=86_400), 1),
        (ProviderError("busy", transient=True, retry_after=0), 3),
    ],
)
async def test_some_failures_are_final(store: Store, turn: Turn, error: ProviderError, tries: int) -> None:
    run = run_of(turn, store, provider := Scripted([error]), provider_retries=2)
    await run.execute()
    assert len(provider.requests) == tries
    assert run.feed.end == Failed(1, 0, "provider_error", error.message)
    assert (await store.turns.get(turn.key)).status == "error"


async def test_an_end_that_the_database_refuses_is_another_end(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, Scripted([Text("a"), Finish("stop", Told(Usage(2**63, 1)))]))
    await run.execute()
    assert isinstance(run.feed.end, Failed)
    assert (run.feed.end.code, run.feed.end.position) == ("not_storable", 1)
    stored = await store.turns.get(turn.key)
    assert (stored.status, stored.error_code, stored.read_tape().text()) == ("error", "not_storable", "a")


async def test_retry_after_is_honoured(store: Store, turn: Turn) -> None:
    busy = ProviderError("busy", transient=True, retry_after=0.3)
    run = run_of(turn, store, Scripted([busy], [Text("a"), FINISH]))
    begin = asyncio.get_running_loop().time()
    with promised(2.0):
        await run.execute()
    assert asyncio.get_running_loop().time() - begin >= 0.3


@pytest.mark.parametrize("parts", [[], [Reasoning("hm")]])
async def test_an_answer_without_a_word_is_no_success(store: Store, turn: Turn, parts: list[Part]) -> None:
    run = run_of(turn, store, provider := Scripted([*parts, FINISH]))
    await run.execute()
    assert len(provider.requests) == 1
    assert isinstance(run.feed.end, Failed)
    assert run.feed.end.code == "empty_answer"


@pytest.mark.parametrize(
    ("parts", "reason"),
    [([Refusal("no")], "content_filter"), ([ToolCall("1", "now", "{}")], "tool_calls"), ([], "length")],
)
async def test_what_else_makes_an_answer(store: Store, turn: Turn, parts: list[Part], reason: str) -> None:
    run = run_of(turn, store, Scripted([*parts, Finish(reason)]))
    await run.execute()
    assert run.feed.end == done(1, len(run.feed.tape), reason)


async def test_a_conversation_that_is_too_long_goes_on_without_its_oldest_part(store: Store, turn: Turn) -> None:
    turn.earlier.extend(Earlier(f"question {n}", Tape([Text(f"answer {n}")]).encode()) for n in range(4))
    too_long: list[Item] = [ContextTooLong("too long")]
    run = run_of(turn, store, provider := Scripted(too_long, too_long, [Text("a"), FINISH]))
    await run.execute()
    assert run.feed.end == done(1, 1, "stop", Usage(1, 2))
    assert [len(request.messages) for request in provider.requests] == [9, 5, 3]
    assert [request.messages[-1] for request in provider.requests] == [Message("user", turn.message)] * 3


async def test_a_question_that_is_too_long_says_so(store: Store, turn: Turn) -> None:
    turn.earlier.append(Earlier("question", Tape([Text("answer")]).encode()))
    run = run_of(turn, store, provider := Scripted([ContextTooLong("too long")]))
    await run.execute()
    assert [len(request.messages) for request in provider.requests] == [3, 1]
    assert run.feed.end == Failed(1, 0, "context_too_long", "too long")


async def test_a_lost_attempt_is_silent(store: Store, turn: Turn) -> None:
    """Another process has taken the turn meanwhile."""
    run = run_of(turn, store, Scripted([Text("a"), FINISH]))
    run._services = msgspec.structs.replace(run._services, process_id="worker-another")
    await run.execute()
    assert run.feed.end is None
    assert (await store.turns.get(turn.key)).status == "running"


async def test_a_bug_ends_the_turn_without_telling_secrets(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, Scripted([RuntimeError("secret detail")]))
    await run.execute()
    assert isinstance(run.feed.end, Failed)
    assert run.feed.end.code == HopstreamError.code
    assert "secret" not in run.feed.end.message


async def test_parts_that_an_older_process_cannot_read_go_as_older_ones(store: Store, turn: Turn) -> None:
    provider = Scripted([ToolCallBegun("1", "now"), ToolArguments("{}", 0), Refusal("no"), FINISH])
    run = run_of(turn, store, provider, oldest_format=1)
    await run.execute()
    assert run.feed.tape.slice() == [Text("no"), ToolCall("1", "now", "{}")]


async def test_the_stages_of_an_attempt_are_stored(store: Store, turn: Turn) -> None:
    await run_of(turn, store, Scripted([Text("a"), Text("b"), FINISH])).execute()
    stored = await store.turns.get(turn.key)
    times = [stored.created_at, stored.claimed_at, stored.asked_at, stored.first_token_at, stored.finished_at]
    assert times == sorted(time for time in times if time is not None)
    assert stored.reasoning_seconds is None
    assert stored.read_tape(as_it_came=True).pieces() == [Text("a"), Text("b")]


async def test_the_time_of_thoughts_is_stored(store: Store, turn: Turn) -> None:
    await run_of(turn, store, Scripted([Reasoning("a"), Text("b"), FINISH])).execute()
    assert ((await store.turns.get(turn.key)).reasoning_seconds or 0) > 0


async def test_thoughts_amid_the_answer_count_and_text_does_not(
    store: Store, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = chain([10.0, 13.0, 20.0, 24.0], repeat(30.0))
    provider = Scripted([Reasoning("a"), Reasoning("b"), Text("c"), Text("d"), Reasoning("e"), Text("f"), FINISH])
    run = run_of(turn, store, provider)
    monkeypatch.setattr(stages, "monotonic", lambda: next(times))
    monkeypatch.setattr(Stages, "asked", lambda self: None)
    monkeypatch.setattr(Stages, "begun", lambda self: None)
    await run.execute()
    assert (await store.turns.get(turn.key)).reasoning_seconds == 3 + 4


async def test_an_answer_without_a_token_has_no_time_of_its_first(store: Store, turn: Turn) -> None:
    await run_of(turn, store, Scripted([FINISH])).execute()
    stored = await store.turns.get(turn.key)
    assert stored.asked_at is not None
    assert stored.first_token_at is None
