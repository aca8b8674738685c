"""Generation: retries, drops, limits and stops, with a scripted provider and a real store."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
import pytest

from core.model.errors import ContextTooLong, HopstreamError, ProviderDropped, ProviderError
from core.model.events import Done, Failed, Usage
from core.model.parts import Part, Reasoning, Refusal, Text, ToolArguments, ToolCall, ToolCallBegun
from core.model.tape import Tape
from core.providers.base import Finish, GeneratedStream, Message, Request, Stream, Told
from core.store.store import Store
from core.store.turns.records import Earlier, Turn
from core.turns.attempts import stages
from core.turns.attempts.stages import Stages
from core.turns.run import Stop
from core.turns.ticks import TickScheduler
from tests.patience import promised
from tests.unit.scripted import FINISH, Item, Scripted, run_of

pytestmark = pytest.mark.anyio

Answer = Callable[..., Any]


def done(attempt: int, position: int, reason: str, usage: Usage | None = None) -> Done:
    return Done(attempt, position, reason, usage, "m", "demo")


class Looked(Scripted):
    """What comes after the first item is there to be looked at, one part each time."""

    def __init__(self, first: Item, *rest: Part) -> None:
        super().__init__([first, FINISH])
        self._rest = [*rest]

    def stream(self, request: Request) -> Stream:
        return _Looked(self._items(request), self._rest)


class _Looked(GeneratedStream):
    def __init__(self, items: AsyncGenerator[list[Part] | Finish], rest: list[Part]) -> None:
        super().__init__(items)
        self._rest = rest

    def ready_parts(self) -> list[Part]:
        return [self._rest.pop(0)] if self._rest else []


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


async def test_a_drop_starts_the_next_attempt(store: Store, turn: Turn) -> None:
    dropped: list[Item] = [Text("half"), ProviderDropped("gone")]
    run = run_of(turn, store, provider := Scripted(dropped, [Text("whole"), FINISH]))
    await run.execute()
    assert [request.attempt for request in provider.requests] == [1, 2]
    assert (run.feed.attempt, run.feed.reason, run.feed.tape.text()) == (2, "provider_drop", "whole")
    assert (await store.turns.get(turn.key)).restart_reason == "provider_drop"


async def test_drops_are_bounded_and_the_partial_is_kept(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("half"), ProviderDropped("gone")]))
    await run.execute()
    assert len(provider.requests) == 3
    assert run.feed.end == Failed(3, 4, "provider_drop", "gone")
    assert (await store.turns.get(turn.key)).read_tape().text() == "half"


async def test_what_there_is_stays_when_the_service_does_not_come_back(store: Store, turn: Turn) -> None:
    gone: list[Item] = [ProviderError("not there")]
    run = run_of(turn, store, Scripted([Text("half"), ProviderDropped("gone")], gone))
    await run.execute()
    assert run.feed.end == Failed(1, 4, "provider_error", "not there")
    assert (await store.turns.get(turn.key)).read_tape().text() == "half"


async def test_of_several_partials_the_longest_is_kept(store: Store, turn: Turn) -> None:
    answers: list[list[Item]] = [[Text(text), ProviderDropped("gone")] for text in ("hal", "half", "h")]
    run = run_of(turn, store, provider := Scripted(*answers))
    await run.execute()
    assert len(provider.requests) == 3
    assert (run.feed.end, run.feed.tape.text()) == (Failed(4, 4, "provider_drop", "gone"), "half")
    stored = await store.turns.get(turn.key)
    assert (stored.attempt, stored.read_tape().text()) == (4, "half")


async def test_whoever_cannot_be_told_of_a_restart_keeps_the_partial(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("half"), ProviderDropped("gone")]), may_restart=False)
    await run.execute()
    assert len(provider.requests) == 1
    assert run.feed.end == Failed(1, 4, "provider_drop", "gone")


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


async def test_a_drop_can_be_the_end(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("half"), ProviderDropped("gone")]), provider_drop="error")
    await run.execute()
    assert len(provider.requests) == 1
    assert run.feed.end == Failed(1, 4, "provider_drop", "gone")


async def test_an_answer_that_just_fits_is_whole(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, Scripted([Text("ab"), Text("cd"), FINISH]), max_answer_chars=4)
    await run.execute()
    assert (run.feed.tape.text(), run.feed.end) == ("abcd", done(1, 4, "stop", Usage(1, 2)))


@pytest.mark.parametrize("pieces", [["abcdef"], ["ab", "cdef"], ["abcd", "ef"], ["a", "b", "c", "d", "e"]])
async def test_a_long_answer_is_cut_at_the_very_limit(store: Store, turn: Turn, pieces: list[str]) -> None:
    items: list[Item] = [*map(Text, pieces), FINISH]
    run = run_of(turn, store, provider := Scripted(items), max_answer_chars=4)
    await run.execute()
    assert (run.feed.tape.text(), run.feed.end) == ("abcd", done(1, 4, "length"))
    assert provider.closed == 1


@pytest.fixture
async def busy() -> TickScheduler:
    ticks = TickScheduler()
    ticks._tick_seconds = 0.001
    return ticks


async def test_under_load_it_looks_at_what_has_come(store: Store, turn: Turn, busy: TickScheduler) -> None:
    run = run_of(turn, store, provider := Looked(Text("a"), Text("b"), Text("c")), ticks=busy)
    await run.execute()
    assert (run.feed.tape.text(), run.feed.end) == ("abc", done(1, 3, "stop", Usage(1, 2)))
    assert provider.closed == 1


async def test_under_load_a_long_answer_is_cut_just_so(store: Store, turn: Turn, busy: TickScheduler) -> None:
    run = run_of(turn, store, provider := Looked(Text("ab"), Text("cdef"), Text("g")), ticks=busy, max_answer_chars=4)
    await run.execute()
    assert (run.feed.tape.text(), run.feed.end) == ("abcd", done(1, 4, "length"))
    assert provider.closed == 1


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        (Stop.CANCELLED, Done(1, 4, "cancelled", Usage(9, 1), "m-2026", "demo")),
        (Stop.TIME_LIMIT, Failed(1, 4, "time_limit", "the turn took longer than MAX_TURN_SECONDS")),
        (Stop.HANDED_OVER, None),
        (Stop.LOST, None),
    ],
)
async def test_a_stop_closes_the_request(store: Store, turn: Turn, reason: Stop, end: Done | Failed | None) -> None:
    told = Told(Usage(9, 1), "m-2026")
    run = run_of(turn, store, provider := Scripted([Text("half")], endless=True, told=told))
    with run.feed.watch() as changed:
        executing = asyncio.create_task(run.execute())
        while not len(run.feed.tape):
            changed.clear()
            await changed.wait()
        run.stop(reason)
        run.stop(Stop.CANCELLED)  # the first reason counts
        await executing
    assert (run.feed.end, provider.closed) == (end, 1)
    assert (await store.turns.get(turn.key)).end() == end


async def test_an_abandoned_run_takes_its_request_along(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("half")], endless=True))
    with run.feed.watch() as changed:
        executing = asyncio.create_task(run.execute())
        while not len(run.feed.tape):
            changed.clear()
            await changed.wait()
    executing.cancel()
    await asyncio.wait([executing])
    while not provider.closed:  # noqa: ASYNC110 - a count has no event
        await asyncio.sleep(0)


async def test_a_stop_before_it_began(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("a"), FINISH]))
    run.stop(Stop.CANCELLED)
    await run.execute()
    assert (run.feed.end, provider.requests) == (Done(1, 0, "cancelled"), [])


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
    times = iter([10.0, 13.0, 20.0, 24.0])
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
