"""Attempts that go on: with a scripted provider and a real store."""

from typing import Any

import msgspec
import pytest

from core.model.errors import HopstreamError, ProviderDropped, ProviderError
from core.model.events import Done, Failed
from core.model.feed import Feed
from core.model.parts import Part, Text, ToolArguments, ToolCallBegun
from core.providers.base import Kept, Request, Stream, Told
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.attempts.kept_note import Note
from tests.unit.scripted import FINISH, Item, Scripted, run_of

pytestmark = pytest.mark.anyio

GOES_ON: dict[str, Any] = {"continues": True}
KEEPS: dict[str, Any] = {"api": "responses"}
DROP: list[Item] = [Text("Once upon "), ProviderDropped("gone")]
REST: list[Item] = [Text("a time."), FINISH]


def past_of(turn: Turn, *parts: Part, origin: int = 1) -> Feed:
    past = Feed(turn.key)
    past.start(turn.attempt - 1, "m", None, "demo", origin=origin, parts=parts)
    return past


def taken_over(turn: Turn, attempt: int = 2, **changes: Any) -> Turn:
    return msgspec.structs.replace(turn, attempt=attempt, **changes)


async def owned(store: Store, turn: Turn, attempts: int = 1) -> Turn:
    """The same turn at a later attempt, as the store has it."""
    number = turn.attempt
    for _ in range(attempts):
        number = await store.ownership.next_attempt(turn.key, number, turn.owner or "") or 0
    return taken_over(turn, number, lost_attempts=attempts, owner=turn.owner)


async def test_a_drop_is_gone_on_with(store: Store, turn: Turn) -> None:
    provider = Scripted(DROP, REST)
    run = run_of(turn, store, provider, traits=GOES_ON)
    await run.execute()
    assert (run.feed.tape.text(), run.feed.attempt, run.feed.origin) == ("Once upon a time.", 2, 1)
    assert provider.requests[1].messages[-1].text() == "Once upon"  # services trim the space themselves
    assert provider.requests[1].goes_on is True
    stored = await store.turns.get(turn.key)
    assert (stored.origin, [each["outcome"] for each in stored.tries or []]) == (1, ["provider_drop", "stop"])


async def test_without_leave_to_restart_it_goes_on_all_the_same(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, Scripted(DROP, REST), traits=GOES_ON, may_restart=False)
    await run.execute()
    assert (run.feed.tape.text(), run.feed.end and run.feed.end.position) == ("Once upon a time.", 17)


async def test_half_a_call_is_dropped_where_that_can_be_told_and_else_ends_it(store: Store, turn: Turn) -> None:
    half: list[Item] = [Text("Let me "), ToolCallBegun("c", "look"), ToolArguments('{"a', 0), ProviderDropped("gone")]
    run = run_of(turn, store, Scripted(half, REST), traits=GOES_ON)
    await run.execute()
    assert (run.feed.tape.text(), run.feed.origin) == ("Let me a time.", 2)


async def test_half_a_call_ends_it_where_nothing_may_be_void(store: Store, turn: Turn) -> None:
    half: list[Item] = [Text("Let me "), ToolCallBegun("c", "look"), ToolArguments('{"a', 0), ProviderDropped("gone")]
    run = run_of(turn, store, Scripted(half, REST), traits=GOES_ON, may_restart=False)
    await run.execute()
    assert isinstance(run.feed.end, Failed)
    assert len(run.feed.tape) == len("Let me ") + 1 + 3


async def test_a_turn_that_is_taken_over_is_gone_on_with(store: Store, turn: Turn) -> None:
    mine = await owned(store, turn)
    run = run_of(mine, store, provider := Scripted(REST), traits=GOES_ON, past=past_of(mine, Text("Once upon ")))
    await run.execute()
    assert (run.feed.tape.text(), run.feed.origin) == ("Once upon a time.", 1)
    assert provider.requests[0].messages[-1].text() == "Once upon"


async def test_what_cannot_be_gone_on_with_begins_again(store: Store, turn: Turn) -> None:
    mine = await owned(store, turn)
    whole: list[Item] = [Text("All anew."), FINISH]
    provider = Scripted([ProviderError("no prefill")], whole)
    run = run_of(mine, store, provider, traits=GOES_ON, past=past_of(mine, Text("Once upon ")))
    await run.execute()
    assert (run.feed.tape.text(), run.feed.origin, run.feed.attempt) == ("All anew.", 3, 3)


async def test_without_an_attempt_left_two_answers_are_not_made_one(store: Store, turn: Turn) -> None:
    mine = await owned(store, turn, 2)
    provider = Scripted([ProviderError("no prefill")], [Text("All anew."), FINISH])
    run = run_of(mine, store, provider, traits=GOES_ON, past=past_of(mine, Text("Once upon ")))
    await run.execute()
    assert isinstance(run.feed.end, Failed)
    assert "All anew" not in run.feed.tape.text()


class Keeping(Scripted):
    """A service that keeps its answers: each request is told of, and what is fetched begins where it was asked to."""

    def stream(self, request: Request) -> Stream:
        if request.on_kept is not None and request.kept is None:
            request.on_kept(Kept(f"r{len(self.requests) + 1}"))
        return super().stream(request)


async def test_a_kept_answer_is_noted_and_fetched(store: Store, turn: Turn) -> None:
    provider = Keeping([Text("Once upon "), ProviderDropped("gone")], [Text("upon a time."), FINISH])
    provider.told = Told(kept=Kept("r1", 4, 5))
    run = run_of(turn, store, provider, traits=KEEPS)
    await run.execute()
    assert run.feed.tape.text() == "Once upon a time."
    assert provider.requests[1].kept == Kept("r1", 4, 5)
    assert msgspec.convert((await store.turns.get(turn.key)).upstream, Note).model == "m"


@pytest.mark.parametrize(
    ("note", "fetched"),
    [
        (Note("m", Kept("r1", 4, 5), 1), Kept("r1", 4, 5)),
        (Note("m", Kept("r1", 9, 99), 1), Kept("r1")),  # further than viewers are
        (Note("other", Kept("r1", 4, 5), 1), None),  # a fallback has answered since
        (Note("m", Kept("r1", 4, 5), 0), None),  # of an answer before
        (Note("m", Kept("r2", 0, 0), 2), Kept("r2")),  # of one that viewers have nothing of
    ],
)
async def test_a_note_is_of_the_answer_that_viewers_have(
    store: Store, turn: Turn, note: Note, fetched: Kept | None
) -> None:
    mine = taken_over(await owned(store, turn), upstream=msgspec.to_builtins(note))
    provider = Keeping([Text("whole"), FINISH])
    run = run_of(mine, store, provider, traits=KEEPS, past=past_of(mine, Text("Once upon ")))
    await run.execute()
    assert provider.requests[0].kept == fetched
    assert isinstance(run.feed.end, Done)


async def test_what_a_dropped_request_took_is_counted_once(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, Scripted(DROP, [ProviderError("no")]), provider_retries=0)
    await run.execute()
    stored = await store.turns.get(turn.key)
    assert [each["outcome"] for each in stored.tries or []] == ["provider_drop", "provider_error"]
    assert isinstance(run.feed.end, Failed)
    assert issubclass(ProviderError, HopstreamError)
