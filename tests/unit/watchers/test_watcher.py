"""A watcher: many turns over one connection, in batches; and a reader that does not keep up costs it nothing."""

from collections.abc import Callable

import pytest

from api.watchers import batches, watcher
from api.watchers.batches import BATCH_BYTES, LAG_SECONDS
from api.watchers.places import Resumption
from api.watchers.subscriptions import Subscription
from api.wires.pieces import FRAME_CHARS
from core.model.errors import Closing, SlowReader
from core.model.feed import Feed
from tests.unit.watchers.turns import NOW, FakeLiveTurns, reading, say
from tests.unit.wires.sinks import settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def turns() -> FakeLiveTurns:
    return FakeLiveTurns()


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time goes by for the watcher."""
    now = 1000.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    for module in (batches, watcher):
        monkeypatch.setattr(module, "monotonic", lambda: now)
    return wait


async def test_turns_that_run_and_turns_that_come_are_told_each_to_its_end(turns: FakeLiveTurns) -> None:
    early = turns.begin("early")
    say(early, "a", "b")
    async with reading(turns) as reader:
        await reader.said("early", "ab")
        late = turns.begin("late")
        say(late, "x")
        say(early, "c")
        turns.end(early)
        say(late, "y")
        turns.end(late)
        await reader.until(lambda: reader.screen("early").end and reader.screen("late").end)
    assert (reader.screen("early").text, reader.screen("late").text) == ("abc", "xy")
    assert turns.held == []


async def test_what_is_new_gathers_before_it_is_told(turns: FakeLiveTurns) -> None:
    feed = turns.begin("s")
    async with reading(turns, gather_seconds=0.05) as reader:
        await reader.until(lambda: reader.named("llm.stream.start"))
        for text in "abcdef":
            say(feed, text)
            await settle()
        await reader.said("s", "abcdef")
    (chunk,) = reader.named("llm.stream.chunk")
    assert (chunk.data["chunk"], chunk.data["tokens"]) == ("abcdef", 6)


async def test_only_what_fits_is_told(turns: FakeLiveTurns) -> None:
    async with reading(turns, Subscription(goal_id="g")) as reader:
        others = turns.begin("other", goal_id="h")
        ours = turns.begin("ours", goal_id="g")
        for feed in (others, ours):
            say(feed, "a")
            turns.end(feed)
        await reader.until(lambda: reader.screen("ours").end)
    assert {event.data["requestId"] for event in reader.events} == {"ours.1"}


async def test_a_turn_that_ended_before_anybody_met_it_is_read_from_the_store(turns: FakeLiveTurns) -> None:
    async with reading(turns) as reader:
        held, turns.watchers = turns.watchers, set()
        feed = turns.begin("s")
        say(feed, "a")
        turns.watchers = held
        turns.end(feed)
        turns.end(feed)
        await reader.until(lambda: reader.screen("s").end)
    assert reader.screen("s").names == ["start", "chunk", "end"]


async def test_a_session_that_is_made_anew_is_another_one(turns: FakeLiveTurns) -> None:
    async with reading(turns) as reader:
        for number in range(2):
            turns.end(turns.begin("s", created_at=NOW + number))
            await reader.until(lambda number=number: len(reader.named("llm.stream.end")) == number + 1)  # type: ignore[misc]


async def test_who_asked_for_a_status_is_told_from_there_on(turns: FakeLiveTurns) -> None:
    async with reading(turns, Subscription(status="done")) as reader:
        feed = turns.begin("s")
        say(feed, "a")
        turns.end(feed)
        await reader.until(lambda: reader.screen("s").end)
    assert reader.screen("s").names == ["end"]


async def test_fast_streams_are_told_in_longer_pieces_and_none_is_forgotten(turns: FakeLiveTurns) -> None:
    feeds = [turns.begin(f"s{number}") for number in range(50)]
    async with reading(turns, events_per_second=100) as reader:  # one at once
        for _ in range(40):
            for feed in feeds:
                say(feed, "ab")
            await settle()
        for feed in feeds:
            turns.end(feed)
        await reader.until(lambda: len(reader.named("llm.stream.end")) == 50)
    assert all(reader.screen(f"s{number}").text == "ab" * 40 for number in range(50))
    assert len(reader.named("llm.stream.chunk")) < 50 * 40 / 2


async def test_a_slow_reader_is_told_what_it_has_missed_and_goes_on_from_the_newest(
    turns: FakeLiveTurns, wait: Callable[[float], None]
) -> None:
    feed = turns.begin("s")
    async with reading(turns) as reader:
        say(feed, "a")
        await reader.said("s", "a")
        reader.sink.stop_reading()
        say(feed, "b")
        await settle()
        for text in "cde":
            say(feed, text)
            await settle()
        wait(2 * LAG_SECONDS)
        reader.sink.read_on()
        await reader.until(lambda: reader.named("lagged"))
        say(feed, "f")
        turns.end(feed)
        await reader.until(lambda: reader.screen("s").end)
    (lagged,) = reader.named("lagged")
    assert (lagged.data["missed"], lagged.data["requestIds"]) == (3, ["s.1"])
    assert reader.screen("s").text == "abf"


async def test_the_ends_that_a_stalled_reader_cannot_hear_cost_no_answers(
    turns: FakeLiveTurns, wait: Callable[[float], None]
) -> None:
    feed, other = turns.begin("s"), turns.begin("other")
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.named("llm.stream.start")) == 2)
        reader.sink.stop_reading()
        say(other, "x")
        await settle()
        say(feed, "a")
        wait(2 * LAG_SECONDS)
        turns.end(feed)
        await settle()
        assert turns.held == [other.key]
        reader.sink.read_on()
        await reader.until(lambda: reader.screen("s").end)
        assert reader.screen("s").text == ""
        assert reader.named("lagged")[0].data["requestIds"] == ["s.1"]


async def test_a_reader_too_far_behind_is_sent_away(
    turns: FakeLiveTurns, wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MOST_UNTOLD", 3)
    feeds = [turns.begin(f"s{number}") for number in range(5)]
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.named("llm.stream.start")) == 5)
        reader.sink.stop_reading()
        say(feeds[0], "x")
        await settle()
        wait(2 * LAG_SECONDS)
        for feed in feeds:
            turns.end(feed)
        reader.sink.read_on()
        with pytest.raises(SlowReader):
            await reader.running


async def test_a_reader_that_takes_nothing_is_sent_away(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "WRITE_SECONDS", 0.01)
    feed = turns.begin("s")
    async with reading(turns) as reader:
        reader.sink.stop_reading()
        say(feed, "x")
        with pytest.raises(SlowReader):
            await reader.running
    assert turns.held == []


async def test_one_batch_has_only_so_much(turns: FakeLiveTurns) -> None:
    for number in range(8):
        say(turns.begin(f"s{number}"), "x" * (BATCH_BYTES // 2))
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.named("llm.stream.chunk")) >= 8 * BATCH_BYTES // 2 // FRAME_CHARS)
    assert BATCH_BYTES < reader.sink.largest < 2 * BATCH_BYTES


async def test_more_streams_than_may_be_followed_wait_their_turn(
    turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MOST_FOLLOWED", 2)
    feeds = [turns.begin(f"s{number}") for number in range(5)]
    for feed in feeds:
        say(feed, "a")
    async with reading(turns) as reader:
        await reader.said("s1", "a")
        assert len(turns.held) == 2
        for feed in feeds:
            turns.end(feed)
        await reader.until(lambda: len(reader.named("llm.stream.end")) == 5)
    assert all(reader.screen(f"s{number}").text == "a" for number in range(5))


async def test_a_process_that_closes_says_so_and_ends_no_stream(turns: FakeLiveTurns) -> None:
    feed = turns.begin("s")
    async with reading(turns) as reader:
        await reader.until(lambda: reader.events)
        feed.fail(Closing("the server restarts"))
        reader.watcher.close(Closing("the server restarts"))
        with pytest.raises(Closing):
            await reader.running
    assert not reader.named("llm.stream.error")


async def test_who_subscribes_to_less_hears_no_more_of_the_rest(turns: FakeLiveTurns) -> None:
    ours, others = turns.begin("ours", goal_id="g"), turns.begin("other")
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.events) == 2)
        await reader.watcher.subscribe(Subscription(goal_id="g"))
        assert turns.held == [ours.key]
        say(others, "a")
        say(ours, "b")
        await reader.said("ours", "b")
        assert reader.screen("other").text == ""
        reader.watcher.unsubscribe(Subscription(goal_id="g"))
        assert turns.held == []


def _grow(feed: Feed, number: int) -> None:
    say(feed, f"t{number} ")


async def test_a_watcher_goes_on_elsewhere_after_any_event(turns: FakeLiveTurns) -> None:
    """Of streams that run, that have ended meanwhile, and that were not there yet."""
    one, two = turns.begin("one"), turns.begin("two")
    async with reading(turns) as reader:
        for number in range(4):
            _grow(one, number)
            _grow(two, number)
            await reader.said("two", "".join(f"t{n} " for n in range(number + 1)))
        turns.end(one)
        await reader.until(lambda: reader.screen("one").end)
        three = turns.begin("three")
        _grow(three, 0)
        turns.end(three)
        await reader.until(lambda: reader.screen("three").end)
        _grow(two, 4)
        turns.end(two)
        await reader.until(lambda: reader.screen("two").end)
    told = reader.events
    whole = {name: reader.screen(name).text for name in ("one", "two", "three")}
    for number, event in enumerate(told):
        assert event.id is not None
        async with reading(turns, resumption=Resumption.parse(event.id)) as resumed:
            ends = {e.data["requestId"] for e in told[: number + 1] if e.name == "llm.stream.end"}
            await resumed.until(lambda r=resumed, e=ends: len(r.named("llm.stream.end")) == 3 - len(e))  # type: ignore[misc]
        for name, text in whole.items():
            before = "".join(
                e.data.get("chunk", "") for e in told[: number + 1] if e.data.get("requestId") == f"{name}.1"
            )
            assert before + resumed.screen(name).text == text


async def test_pings_come_while_nothing_else_does(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "PING_SECONDS", 0.02)
    async with reading(turns) as reader:
        await reader.until(lambda: reader.sink.frames.count(b": ping\n\n") >= 2)
