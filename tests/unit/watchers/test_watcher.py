"""A watcher: many turns over one connection, in batches; and a reader that does not keep up costs it nothing."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.watchers import batches, watcher, writer
from api.watchers.batches import BATCH_BYTES, LAG_SECONDS
from api.watchers.followed import Followed
from api.watchers.framing import SseFraming
from api.watchers.progress import Progress, Resumption
from api.watchers.subscriptions import Subscription
from api.watchers.watcher import ENDED_AT_ONCE
from api.wires.pieces import FRAME_CHARS
from core.model.errors import Closing, SlowReader
from core.model.feed import Feed
from core.store.turns.watched import WatchedTurn
from tests.unit.watchers.turns import NOW, FakeLiveTurns, reading, say
from tests.unit.wires.sinks import settle
from tests.watching import Event

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

    for module in (batches, watcher, writer):
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
    async with reading(turns, events_per_second=1000) as reader:  # one at once
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
        await reader.until(lambda: reader.sink.is_full)
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
        await reader.until(lambda: reader.sink.is_full)
        say(feed, "a")
        wait(2 * LAG_SECONDS)
        turns.end(feed)
        await settle()
        assert turns.held == [other.key]
        reader.sink.read_on()
        await reader.until(lambda: reader.screen("s").end)
        assert reader.screen("s").text == ""
        assert reader.named("lagged")[0].data["requestIds"] == ["s.1"]


async def test_a_reader_too_far_behind_is_sent_away(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "MOST_WAITING", 3)
    monkeypatch.setattr(watcher, "MOST_FOLLOWED", 2)
    async with reading(turns) as reader:
        for number in range(6):
            turns.begin(f"s{number}")
        with pytest.raises(SlowReader):
            await reader.running


async def test_who_asks_for_more_than_it_reads_is_told_so(turns: FakeLiveTurns) -> None:
    async with reading(turns) as reader:
        reader.sink.stop_reading()
        for _ in range(batches.MOST_WORDS + 1):
            reader.watcher.say([b"pong"])
        with pytest.raises(SlowReader):
            reader.watcher.say([b"pong"])


async def test_a_reader_that_takes_nothing_is_sent_away(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WRITE_SECONDS", 0.01)
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


async def test_a_stream_is_told_again_from_its_start_to_who_left_it(turns: FakeLiveTurns) -> None:
    """Not from where a connection before had been."""
    feed = turns.begin("s", goal_id="g")
    goal = Subscription(goal_id="g")
    say(feed, "a")
    async with reading(turns, goal) as reader:
        await reader.said("s", "a")
        last_id = reader.events[-1].id
    assert last_id is not None
    say(feed, "b")
    async with reading(turns, goal, resumption=Resumption.parse(last_id)) as reader:
        await reader.until(lambda: reader.events)
        assert [event.data["chunk"] for event in reader.events] == ["b"]
        reader.watcher.unsubscribe(goal)
        await reader.watcher.subscribe(goal)
        await reader.until(lambda: len(reader.events) == 3)
        assert [event.data.get("chunk") for event in reader.events] == ["b", None, "ab"]


async def test_who_asked_for_a_status_gets_the_rest_of_what_was_in_view(turns: FakeLiveTurns) -> None:
    feed = turns.begin("s")
    say(feed, "a")
    async with reading(turns, Subscription(status="running")) as reader:
        await reader.said("s", "a")
        last_id = reader.events[-1].id
    say(feed, "b")
    turns.end(feed)
    assert last_id is not None
    async with reading(turns, Subscription(status="running"), resumption=Resumption.parse(last_id)) as reader:
        await reader.until(lambda: reader.screen("s").end)
        assert reader.screen("s").text == "b"


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


async def test_an_end_that_was_not_told_yet_is_told_to_who_comes_back_much_later(turns: FakeLiveTurns) -> None:
    one, two = turns.begin("one"), turns.begin("two")
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.events) == 2)
        reader.sink.stop_reading()
        say(one, "a")
        await reader.until(lambda: reader.sink.is_full)
        say(one, "b")
        turns.end(two)
        turns.pass_time(60)
        reader.sink.read_on()
        await reader.until(lambda: reader.screen("two").end)
        (last_id,) = [event.id for event in reader.events if event.data.get("chunk") == "b"]
    assert last_id is not None
    async with reading(turns, resumption=Resumption.parse(last_id)) as reader:
        await reader.until(lambda: reader.screen("two").end)


async def test_what_was_left_is_not_carried_on(turns: FakeLiveTurns) -> None:
    left, kept = turns.begin("left", goal_id="g"), turns.begin("kept", goal_id="h")
    async with reading(turns, Subscription(goal_id="g")) as reader:
        await reader.watcher.subscribe(Subscription(goal_id="h"))
        await reader.until(lambda: len(reader.events) == 2)
        reader.watcher.unsubscribe(Subscription(goal_id="g"))
        say(kept, "a")
        await reader.said("kept", "a")
        last_id = reader.events[-1].id
    assert last_id is not None
    resumption = Resumption.parse(last_id)
    assert resumption.names(turns.turns[kept.key])
    assert not resumption.names(turns.turns[left.key])


async def test_few_answers_that_had_ended_are_in_memory_at_once(
    turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory, most = 0, 0
    read, leave = turns.read, watcher.Watcher._leave

    async def count(turn: WatchedTurn) -> Feed | None:
        nonlocal in_memory, most
        in_memory += 1
        most = max(most, in_memory)
        return await read(turn)

    def uncount(self: watcher.Watcher, followed: Followed) -> None:
        nonlocal in_memory
        in_memory -= 1
        leave(self, followed)

    monkeypatch.setattr(turns, "read", count)
    monkeypatch.setattr(watcher.Watcher, "_leave", uncount)
    async with reading(turns) as reader:
        held, turns.watchers = turns.watchers, set()
        feeds = [turns.begin(f"s{number}") for number in range(5 * ENDED_AT_ONCE)]
        turns.watchers = held
        for feed in feeds:
            say(feed, "a")
            turns.end(feed)
        await reader.until(lambda: len(reader.named("llm.stream.end")) == len(feeds))
    assert most == ENDED_AT_ONCE


class Client:
    """What somebody has on the screen over many connections, each of which broke somewhere."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.ends: list[str] = []
        self.last_id: str | None = None

    @property
    def resumption(self) -> Resumption | None:
        return Resumption.parse(self.last_id) if self.last_id else None

    def read(self, events: list[Event]) -> None:
        for event in events:
            self.last_id = event.id or self.last_id
            request_id = event.data["requestId"]
            if event.name == "llm.stream.start":
                assert self.texts.get(request_id, "") == "", f"{request_id} began twice"
            self.texts.setdefault(request_id, "")
            if event.name == "llm.stream.restart":
                self.texts[request_id] = ""
            self.texts[request_id] += event.data.get("chunk", "")
            if event.name == "llm.stream.end":
                self.ends.append(request_id)


NAMES = "abcdef"
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["say", "say", "end", "restart"]), st.sampled_from(NAMES)),
        st.tuples(st.sampled_from(["tell", "time", "stall", "cut"]), st.floats(0, 1)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_nothing_is_lost_or_doubled_wherever_connections_break(happened: list[tuple[str, Any]]) -> None:
    """A connection may break behind any event that was told, and the next one goes on from there."""
    asyncio.run(_live(happened))


async def _live(happened: list[tuple[str, Any]]) -> None:
    turns, client, feeds = FakeLiveTurns(), Client(), dict[str, Feed]()
    entered = AsyncExitStack()
    reader = await entered.enter_async_context(reading(turns))
    client.last_id = SseFraming().event("", b"", Progress(Resumption(NOW, {}, ())).id).decode().split()[2]
    for what, argument in [*happened, ("cut", 1.0), *(("end", name) for name in NAMES)]:
        match what:
            case "say" | "restart" | "end":
                feed = feeds.get(argument) or turns.begin(argument)
                feeds[argument] = feed
                if feed.end is None:
                    if what == "restart":
                        feed.start(feed.attempt + 1, "m", "worker_lost")
                    say(feed, f"t{len(feed.tape)} ")
                    if what == "end":
                        turns.end(feed)
            case "tell":
                await asyncio.sleep(0.003)
            case "time":
                turns.pass_time(argument * 20)
            case "stall":
                reader.sink.stop_reading()
            case "cut":
                reader.sink.read_on()
                await asyncio.sleep(0.003)
                client.read(reader.events[: round(argument * len(reader.events))])
                await entered.aclose()
                reader = await entered.enter_async_context(reading(turns, resumption=client.resumption))
    seen = len(client.ends)
    await reader.until(lambda: len(reader.named("llm.stream.end")) == len(NAMES) - seen)
    client.read(reader.events)
    await entered.aclose()
    assert sorted(client.ends) == [f"{name}.1" for name in NAMES]
    assert client.texts == {f"{name}.1": feed.tape.text() for name, feed in feeds.items()}


async def test_pings_come_while_nothing_else_does(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "PING_SECONDS", 0.02)
    async with reading(turns) as reader:
        await reader.until(lambda: reader.sink.frames.count(b": ping\n\n") >= 2)
