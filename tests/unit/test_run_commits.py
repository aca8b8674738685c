"""What of an answer is committed, and what a run makes of the word that it gets of that."""

from typing import Any

import pytest
import sqlalchemy as sa

from core.model.errors import ProviderError, StoreDown
from core.model.parts import Text
from core.providers.base import Stream
from core.settings import Settings
from core.store.database.base import Database
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.attempts.tries import MAX_RECORDED, Tries, Try
from core.turns.subscribers import Moment, TurnEvent, TurnSubscribers
from tests.unit.scripted import FINISH, Scripted, done, run_of

pytestmark = pytest.mark.anyio

SILENT = ProviderError("says nothing", transient=False)


class Heard:
    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def on_turn(self, event: TurnEvent) -> None:
        self.moments.append(event.moment)


async def test_a_commit_whose_word_was_lost_is_one(store: Store, turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a database that is lost between its commit and its answer."""
    change, losses = Database.change, [StoreDown("lost")]

    async def lose(database: Database, statement: sa.Executable, **values: Any) -> int:
        count = await change(database, statement, **values)
        if losses:
            raise losses.pop()
        return count

    monkeypatch.setattr("core.store.retry.RETRY_SECONDS", 0.0)
    monkeypatch.setattr(Database, "change", lose)
    heard = Heard()
    run = run_of(turn, store, Scripted([Text("yes"), FINISH]), TurnSubscribers([heard]))
    await run.execute()
    assert (run.feed.end, losses) == (done(1, 3, "stop", FINISH.told.usage), [])
    assert heard.moments[-1] is Moment.ENDED


@pytest.mark.parametrize(
    ("script", "outcomes"), [([Text("yes"), FINISH], None), ([SILENT], ["provider_error"])], ids=["answered", "failed"]
)
async def test_of_a_single_request_a_failure_is_kept(
    store: Store, turn: Turn, script: list[Any], outcomes: list[str] | None
) -> None:
    await run_of(turn, store, Scripted(script)).execute()
    tries = (await store.turns.get(turn.key)).tries
    assert (None if tries is None else [each["outcome"] for each in tries]) == outcomes


def test_what_all_tries_cost_is_added_up() -> None:
    tries = Tries(Settings(), Stream.aclose)
    for _ in range(2 * MAX_RECORDED):
        tries.add(Try(model="m", provider="demo", outcome="stop", cost=0.5))
    tries.add(Try(model="m", provider="demo", outcome="stop"))
    assert (tries.cost, len(tries.record)) == (MAX_RECORDED, MAX_RECORDED)
