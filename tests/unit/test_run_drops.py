"""Generation: a provider that breaks off in the middle of its answer."""

import pytest

from core.model.errors import ProviderDropped, ProviderError
from core.model.events import Failed
from core.model.parts import Text
from core.store.store import Store
from core.store.turns.records import Turn
from tests.unit.scripted import FINISH, Item, Scripted, run_of

pytestmark = pytest.mark.anyio


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


async def test_a_drop_can_be_the_end(store: Store, turn: Turn) -> None:
    run = run_of(turn, store, provider := Scripted([Text("half"), ProviderDropped("gone")]), provider_drop="error")
    await run.execute()
    assert len(provider.requests) == 1
    assert run.feed.end == Failed(1, 4, "provider_drop", "gone")
