"""Subscribers of turns: each is told of everything, and none can harm an answer or another subscriber."""

import pytest

from core.model.errors import ProviderDropped
from core.model.events import Done, Usage
from core.model.parts import Text
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.run import Stop
from core.turns.subscribers import Moment, TurnEvent, TurnSubscribers
from tests.unit.scripted import FINISH, Scripted, run_of

pytestmark = pytest.mark.anyio


class Heard:
    def __init__(self) -> None:
        self.events: list[TurnEvent] = []

    @property
    def moments(self) -> list[tuple[Moment, int, str | None]]:
        return [(event.moment, event.attempt, event.reason) for event in self.events]

    def on_turn(self, event: TurnEvent) -> None:
        self.events.append(event)


class Broken:
    def on_turn(self, event: TurnEvent) -> None:
        raise RuntimeError("a bug of its own")


async def test_a_run_tells_how_it_began_and_how_it_ended(store: Store, turn: Turn) -> None:
    heard = Heard()
    await run_of(turn, store, Scripted([Text("a"), FINISH]), TurnSubscribers([Broken(), heard])).execute()
    assert heard.moments == [(Moment.STARTED, 1, None), (Moment.ENDED, 1, None)]
    assert heard.events[-1].end == Done(1, 1, "stop", Usage(1, 2), "m", "demo")
    assert (await store.turns.get(turn.key)).status == "done"


async def test_a_run_tells_that_it_was_restarted(store: Store, turn: Turn) -> None:
    heard = Heard()
    provider = Scripted([Text("a"), ProviderDropped("it broke off")], [Text("b"), FINISH])
    await run_of(turn, store, provider, TurnSubscribers([heard])).execute()
    assert heard.moments == [
        (Moment.STARTED, 1, None),
        (Moment.RESTARTED, 2, "provider_drop"),
        (Moment.ENDED, 2, None),
    ]


async def test_a_run_tells_that_it_was_given_up(store: Store, turn: Turn) -> None:
    heard = Heard()
    run = run_of(turn, store, Scripted([Text("a"), FINISH]), TurnSubscribers([heard]))
    run.stop(Stop.HANDED_OVER)
    await run.execute()
    assert heard.moments == [(Moment.STARTED, 1, None), (Moment.GIVEN_UP, 1, "handed_over")]
