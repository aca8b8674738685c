"""The desk: a message is relayed once, whoever waits for it, and what comes of it is kept."""

import asyncio

import pytest
from structlog.testing import capture_logs

from api.narrator import desk as desk_module
from api.narrator.desk import NARRATION_CHARS, NarratorDesk
from api.narrator.relay import Narration, RelayTimeout
from core.model.errors import Closing, HopstreamError, ProviderError, StoreDown
from core.store.store import Store
from tests.patience import PATIENCE_SECONDS
from tests.unit.fake_connection import FakeConnection
from tests.unit.narrator.conftest import NAME, eventually, post, until

pytestmark = pytest.mark.anyio


class Relaying:
    """A relay that answers once it may."""

    def __init__(self, outcome: Narration | Exception, *, may_answer: bool = True) -> None:
        self.times = 0
        self.may_answer = asyncio.Event()
        self._outcome = outcome
        if may_answer:
            self.may_answer.set()

    async def __call__(self) -> Narration:
        self.times += 1
        await self.may_answer.wait()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def well(*, may_answer: bool = True) -> Relaying:
    return Relaying(Narration("All is well.", 3), may_answer=may_answer)


async def test_what_a_controller_says_is_kept_and_told(
    desk: NarratorDesk, store: Store, connection: FakeConnection
) -> None:
    event = await post(store)
    answer = await desk.answer(event, well())
    assert (answer.type, answer.message, answer.turn, answer.answers) == (
        "NARRATION",
        "All is well.",
        3,
        event.event_id,
    )
    assert answer.source == NAME
    assert await store.narrator.answer_to(event.event_id) == answer
    assert connection.fake.sent.qsize() == 1


async def test_whoever_asks_meanwhile_gets_the_same_answer(desk: NarratorDesk, store: Store) -> None:
    event, relay = await post(store), well(may_answer=False)
    asking = [asyncio.create_task(desk.answer(event, relay)) for _ in range(3)]
    await until(lambda: relay.times)
    relay.may_answer.set()
    answers = await asyncio.gather(*asking)
    assert answers == [answers[0]] * 3
    assert await desk.answer(event, relay) == answers[0]  # and afterwards
    assert relay.times == 1


async def test_it_goes_on_when_whoever_has_posted_is_gone(desk: NarratorDesk, store: Store) -> None:
    event, relay = await post(store), well(may_answer=False)
    asking = asyncio.create_task(desk.answer(event, relay))
    await until(lambda: relay.times)
    asking.cancel()
    await asyncio.wait([asking])
    relay.may_answer.set()
    await eventually(lambda: store.narrator.answer_to(event.event_id))


async def test_what_is_said_late_is_kept(desk: NarratorDesk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "RELAY_SECONDS", 0.01)
    event, relay = await post(store), well(may_answer=False)
    with pytest.raises(RelayTimeout, match=NAME):
        await desk.answer(event, relay)
    assert await store.narrator.answer_to(event.event_id) is None
    relay.may_answer.set()
    await eventually(lambda: store.narrator.answer_to(event.event_id))
    assert relay.times == 1


async def test_a_failure_is_kept_with_its_reason(desk: NarratorDesk, store: Store) -> None:
    event = await post(store)
    relay = Relaying(ProviderError("the service is overloaded"))
    with capture_logs() as lines:
        answer = await desk.answer(event, relay)
    assert (answer.type, answer.message) == ("ERROR", "the service is overloaded")
    assert [(line["action"], line["controller"]) for line in lines] == [("narrator.relay_failed", NAME)]
    assert await desk.answer(event, relay) == answer
    assert relay.times == 1


async def test_a_bug_is_logged_and_told_without_its_details(desk: NarratorDesk, store: Store) -> None:
    event = await post(store)
    with capture_logs() as lines:
        answer = await desk.answer(event, Relaying(RuntimeError("secret")))
    assert answer.type == "ERROR"
    assert "secret" not in answer.message
    assert [line["action"] for line in lines] == ["narrator.relay_broken"]


@pytest.mark.parametrize("error", [RelayTimeout("late"), StoreDown("away"), Closing("restarts")])
async def test_what_is_no_outcome_leaves_it_open(desk: NarratorDesk, store: Store, error: HopstreamError) -> None:
    event = await post(store)
    with pytest.raises(type(error)):
        await desk.answer(event, Relaying(error))
    assert await store.narrator.answer_to(event.event_id) is None
    assert (await desk.answer(event, well())).type == "NARRATION"


async def test_a_process_that_stops_sends_away_who_waits(
    desk: NarratorDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "RELAY_SECONDS", 10 * PATIENCE_SECONDS)
    event, relay = await post(store), well(may_answer=False)
    asking = asyncio.create_task(desk.answer(event, relay))
    await until(lambda: relay.times)
    desk.close()
    with pytest.raises(Closing) as closing:
        await asyncio.wait_for(asking, PATIENCE_SECONDS)
    assert closing.value.retry_after is not None
    with pytest.raises(Closing):
        await desk.answer(event, relay)


async def test_a_narration_fits_into_a_frame_and_a_database(desk: NarratorDesk, store: Store) -> None:
    answer = await desk.answer(await post(store), Relaying(Narration("a\0" * NARRATION_CHARS)))
    assert answer.message == "a\ufffd" * (NARRATION_CHARS // 2)
