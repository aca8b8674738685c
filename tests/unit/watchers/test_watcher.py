"""A watcher: many turns over one connection, each to its end."""

import msgspec
import pytest

from api.watchers import watcher
from api.watchers.subscriptions import Subscription
from core.bus.messages import BusMessage
from core.model.errors import Closing
from tests.unit.watchers.turns import NOW, FakeLiveTurns, reading, say
from tests.unit.wires.sinks import settle

pytestmark = pytest.mark.anyio


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
    chunks = [(chunk.data["chunk"], chunk.data["tokens"]) for chunk in reader.named("llm.stream.chunk")]
    assert len(chunks) < 6
    assert ("".join(text for text, _ in chunks), sum(tokens for _, tokens in chunks)) == ("abcdef", 6)


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


async def test_of_a_turn_that_is_followed_nothing_more_is_asked(turns: FakeLiveTurns) -> None:
    """Its feed tells all the rest: to ask the store with each of its moments would cost more than its tokens."""
    message = BusMessage(
        moment="started", session_id="s", turn=1, attempt=1, mode="queue", model="m", at=NOW, process="w", goal_id="g"
    )
    async with reading(turns, Subscription(goal_id="g")) as reader:
        assert reader.watcher.may_want(message)
        assert not reader.watcher.may_want(msgspec.structs.replace(message, goal_id="h"))
        turns.begin("s", goal_id="g")
        assert not reader.watcher.may_want(message)


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


async def test_a_turn_that_cannot_be_read_has_failed(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("the tape is torn")

    monkeypatch.setattr(turns, "read", broken)
    async with reading(turns) as reader:
        held, turns.watchers = turns.watchers, set()
        feed = turns.begin("s")
        turns.watchers = held
        turns.end(feed)
        await reader.until(lambda: reader.screen("s").end)
    assert reader.screen("s").names == ["error"]


async def test_pings_come_while_nothing_else_does(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "PING_SECONDS", 0.02)
    async with reading(turns) as reader:
        await reader.until(lambda: reader.sink.frames.count(b": ping\n\n") >= 2)
