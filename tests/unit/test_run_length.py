"""Generation: the length that an answer may have, however its parts come."""

from collections.abc import AsyncGenerator

import pytest

from core.model.events import Done, Usage
from core.model.parts import Part, Text
from core.providers.base import Finish, GeneratedStream, Request, Stream
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.ticks import TickScheduler
from tests.unit.scripted import FINISH, Item, Scripted, done, run_of
from tests.unit.stepping import FakeTool, pieces, running

pytestmark = pytest.mark.anyio


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


async def test_what_is_held_back_of_a_call_counts(store: Store, agent_turn: Turn, now: FakeTool) -> None:
    said = [Text("ab"), *pieces(1, 0, arguments='{"say": "too much"}')]
    run = running(agent_turn, store, provider := Scripted([*said, FINISH]), now, max_answer_chars=20)
    await run.execute()
    assert isinstance(run.feed.end, Done)
    assert (run.feed.end.finish_reason, run.feed.tape.text(), now.keys) == ("length", "ab", [])
    assert provider.closed == 1


async def test_nor_do_older_processes_get_more(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, Scripted([*pieces(1, 0, arguments="12345"), FINISH]), oldest_format=1, max_answer_chars=4)
    await run.execute()
    assert run.feed.end == done(1, 0, "length")
